/// The rules for where a run may write; rank 0 applies them before any work is done.
package enum OutputDirectory {
  private static let probeName = "switchyard_probe" + RunDirectory.incompleteSuffix

  /// Makes the directory if it is missing, and checks that it can be written, holds nothing of anybody else's, and is not
  /// being written by another job. What an interrupted save or removal has left there goes.
  ///
  /// - Parameter resume: the directory may hold a run, which will be continued.
  /// - Returns: what keeps other jobs out as long as it lives.
  package static func prepare(
    _ path: String, resume: Bool, files: any FileSystem = LocalFileSystem()
  ) throws(CheckpointError) -> OutputLock {
    switch try files.kind(of: path) {
    case nil: try files.makeDirectories(path)
    case .directory: break
    case .file, .other: throw CheckpointError(.occupied, path, "this is no directory; choose another --output")
    }
    if !resume { try checkEmpty(path, files) }
    let lock = try OutputLock(path, files: files)
    // Another job may have come and gone since.
    if !resume { try checkEmpty(path, files) }
    try checkWritable(path, files)
    // A run that has no step left saves no more, and a save is what removes them otherwise, or says why it cannot.
    try? RunDirectory(path, files: files).removeIncompleteCheckpoints()
    return lock
  }

  private static func checkEmpty(_ path: String, _ files: any FileSystem) throws(CheckpointError) {
    let names = try files.names(in: path).filter { $0 != probeName && $0 != OutputLock.fileName }
    guard names.isEmpty else {
      throw CheckpointError(
        .occupied, path,
        "the directory is not empty (it holds \(names[0])); "
          + "choose another --output, or continue its run with --resume")
    }
  }

  private static func checkWritable(_ path: String, _ files: any FileSystem) throws(CheckpointError) {
    let probe = path + "/" + probeName
    if try files.kind(of: probe) != nil { try files.removeFile(probe) }
    try files.writeFile(probe, Array("switchyard".utf8))
    try files.removeFile(probe)
  }
}
