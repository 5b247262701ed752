import LanguageModel
import Tensors

/// The files of a model as one rank has opened them: its weights, and the moments if a run is resumed from it.
struct ModelFiles {
  let directory: ModelDirectory
  private let optimizer: SafetensorsFile?

  init(_ path: String, withMoments: Bool, _ files: any FileSystem) throws(CheckpointError) {
    directory = try ModelDirectory(path, files: files)
    optimizer = withMoments ? try SafetensorsFile(path + "/" + TrainingStateNames.optimizer, files: files) : nil
    try checkMoments()
  }

  /// Tells these files from others of the same names: ranks that find the same text read the same numbers.
  var fingerprint: String {
    (directory.catalog.shards + [optimizer].compactMap(\.self)).map { "\($0.size) \($0.headerDigest)" }.joined(
      separator: ", ")
  }

  /// Reads a whole parameter or one of its moments, by the number of its buffer.
  func read(_ name: String, buffer: Int, into values: Buffer<Float>) throws(CheckpointError) {
    guard TrainingStateNames.momentBuffers.contains(buffer) else {
      return try directory.catalog.read(name, into: values)
    }
    guard let optimizer else { preconditionFailure("moments of a model that was opened without them") }
    try optimizer.read(TrainingStateNames.prefixes[buffer] + name, into: values)
  }

  private func checkMoments() throws(CheckpointError) {
    guard let optimizer else { return }
    for slot in ModelLayout.whole(directory.configuration).slots {
      for buffer in TrainingStateNames.momentBuffers {
        let entry = try optimizer.entry(TrainingStateNames.prefixes[buffer] + slot.name)
        try ElementConversion.requireFloat(entry, path: optimizer.path)
        guard entry.shape == slot.shape.dimensions else {
          throw CheckpointError(
            .contradiction, optimizer.path, tensor: entry.name,
            "its shape is \(entry.shape), its parameter's is \(slot.shape)")
        }
      }
    }
  }
}
