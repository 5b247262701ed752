/// A directory that training writes into: `checkpoint-STEP` folders and whatever else the run leaves.
package struct RunDirectory: Sendable {
  package let path: String
  let files: any FileSystem

  package init(_ path: String, files: any FileSystem = LocalFileSystem()) {
    self.path = path
    self.files = files
  }

  /// A complete checkpoint, and why newer ones were passed over.
  package struct Checkpoint: Sendable {
    package let path: String
    package let step: Int
    package let passedOver: [CheckpointError]
  }

  private static let prefix = "checkpoint-"
  /// The ending of a folder that is being written; whoever finds one that is not theirs to write may remove it.
  static let incompleteSuffix = ".incomplete"

  package func checkpointPath(step: Int) -> String { path + "/" + Self.prefix + String(step) }

  /// The newest checkpoint whose manifest describes what is there; nil when there is none.
  package func newestCheckpoint() throws(CheckpointError) -> Checkpoint? {
    var passedOver: [CheckpointError] = []
    for step in try files.names(in: path).compactMap(Self.step).sorted(by: >) {
      do {
        try verifyCheckpoint(step: step)
        return Checkpoint(path: checkpointPath(step: step), step: step, passedOver: passedOver)
      } catch {
        passedOver.append(error)
      }
    }
    if let error = passedOver.first {
      throw CheckpointError(
        error.code, error.path, tensor: error.tensor, "\(error.message); there is no earlier complete checkpoint")
    }
    return nil
  }

  /// Checks that a checkpoint is what its manifest says.
  func verifyCheckpoint(step: Int) throws(CheckpointError) {
    let path = checkpointPath(step: step)
    let manifest = try CheckpointManifest(in: path, files)
    guard manifest.step == step else {
      throw CheckpointError(.contradiction, path, "its manifest is of step \(manifest.step)")
    }
    try manifest.verify(in: path, files)
  }

  /// Removes what an interrupted save has left.
  func removeIncompleteCheckpoints() throws(CheckpointError) {
    for name in try files.names(in: path) where name.hasSuffix(Self.incompleteSuffix) {
      guard Self.step(name: String(name.dropLast(Self.incompleteSuffix.count))) != nil else { continue }
      try files.removeFolder(path + "/" + name)
    }
  }

  /// The step of a checkpoint's name; nil for other names.
  private static func step(name: String) -> Int? {
    guard name.hasPrefix(prefix), let step = Int(name.dropFirst(prefix.count)), step >= 0,
      name == prefix + String(step)
    else { return nil }
    return step
  }
}
