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
  /// The ending of a folder that is being written or removed; whoever finds one that is not theirs may remove it.
  static let incompleteSuffix = ".incomplete"

  package func checkpointPath(step: Int) -> String { path + "/" + Self.prefix + String(step) }

  /// The newest checkpoint whose manifest describes what is there; nil when there is none.
  ///
  /// - Parameter limit: only earlier ones count, because this one's data has turned out to be damaged.
  package func newestCheckpoint(before limit: Int = .max) throws(CheckpointError) -> Checkpoint? {
    var passedOver: [CheckpointError] = []
    for step in try steps() where step < limit {
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
  ///
  /// - Parameter withData: the tensors too, which are otherwise checked when they are read.
  func verifyCheckpoint(step: Int, withData: Bool = false) throws(CheckpointError) {
    let path = checkpointPath(step: step)
    let manifest = try CheckpointManifest(in: path, files)
    guard manifest.step == step else {
      throw CheckpointError(.contradiction, path, "its manifest is of step \(manifest.step)")
    }
    try manifest.verify(in: path, files, withData: withData)
  }

  /// Removes what an interrupted save or removal has left.
  func removeIncompleteCheckpoints() throws(CheckpointError) {
    for name in try files.names(in: path) where name.hasSuffix(Self.incompleteSuffix) {
      guard Self.step(name: String(name.dropLast(Self.incompleteSuffix.count))) != nil else { continue }
      try files.removeFolder(path + "/" + name)
    }
  }

  /// Removes all checkpoints before a step but the newest `keeping` that are complete. The one of the step itself must be
  /// complete; it stays, so there is always one to go on from.
  ///
  /// Each loses its name first, so that half a removal leaves nothing that looks like a checkpoint.
  package func removeCheckpoints(before step: Int, keeping: Int) throws(CheckpointError) {
    var kept = 0
    for old in try steps() where old < step {
      if kept < keeping {
        if (try? verifyCheckpoint(step: old)) != nil { kept += 1 }
        continue
      }
      let doomed = checkpointPath(step: old) + Self.incompleteSuffix
      try files.rename(checkpointPath(step: old), to: doomed)
      try files.syncDirectory(path)
      try files.removeFolder(doomed)
    }
  }

  /// The steps of all that is called a checkpoint, newest first.
  private func steps() throws(CheckpointError) -> [Int] {
    try files.names(in: path).compactMap(Self.step).sorted(by: >)
  }

  /// The step of a checkpoint's name; nil for other names.
  private static func step(name: String) -> Int? {
    guard name.hasPrefix(prefix), let step = Int(name.dropFirst(prefix.count)), step >= 0,
      name == prefix + String(step)
    else { return nil }
    return step
  }
}
