/// A checkpoint that is being written on rank 0: beside its final place, synced, then renamed.
///
///     checkpoint-30.incomplete/   files, each synced when it is complete
///                                 what every rank says about its tensors compared with what was written
///                                 the manifest, last; the folder synced
///     checkpoint-30/              renamed; the run's directory synced
///
/// A crash at any moment leaves the checkpoints of before, or those and this one.
final class CheckpointBuilder {
  private let run: RunDirectory
  private let files: any FileSystem
  private let step: Int
  private let folder: String
  private var summaries: [String: FileSummary] = [:]

  /// Clears away what interrupted saves have left and makes the folder.
  init(in run: RunDirectory, step: Int) throws(CheckpointError) {
    self.run = run
    self.step = step
    files = run.files
    folder = run.checkpointPath(step: step) + RunDirectory.incompleteSuffix
    try run.removeIncompleteCheckpoints()
    try files.makeDirectory(folder)
  }

  func add(_ name: String, _ content: [UInt8]) throws(CheckpointError) {
    try files.writeFile(folder + "/" + name, content)
    summaries[name] = FileSummary(content)
  }

  /// Adds a safetensors file whose tensors `body` appends in the writer's order.
  func add(
    _ name: String, tensors: [TensorDescription], _ body: (SafetensorsWriter) throws -> Void
  ) throws {
    let writer = try SafetensorsWriter(creating: folder + "/" + name, tensors: tensors, files: files)
    try body(writer)
    summaries[name] = try writer.finish()
  }

  /// Gives the checkpoint its name; from here on it is the newest one.
  func commit() throws(CheckpointError) {
    let manifest = CheckpointManifest(step: step, files: summaries)
    try files.writeFile(folder + "/" + CheckpointManifest.fileName, manifest.encoded)
    try files.syncDirectory(folder)
    try moveDamagedAside()
    try files.rename(folder, to: run.checkpointPath(step: step))
    try files.syncDirectory(run.path)
  }

  /// A damaged checkpoint of this step, because of which the run was repeated from an earlier one, gets another name.
  private func moveDamagedAside() throws(CheckpointError) {
    let place = run.checkpointPath(step: step)
    guard try files.kind(of: place) != nil else { return }
    let aside = place + ".damaged"
    if try files.kind(of: aside) != nil { try files.removeFolder(aside) }
    try files.rename(place, to: aside)
  }

  /// Gives up: frees the space, as far as that is possible.
  func abandon() { try? files.removeFolder(folder) }
}
