/// The right to write into a run's directory. One job has it at a time; rank 0 holds it for the others.
///
/// It is a lock of the operating system on a file that says who holds it. So it ends with the process, however that ends: a file
/// that is left over means nothing, whatever process has its number by then.
package final class OutputLock {
  package static let fileName = "switchyard_lock.json"
  /// Written over what was there before, without a moment in which the file is empty.
  private static let recordByteCount = 512

  private let path: String
  private let files: any FileSystem
  private var file: OpenFile?
  /// What the user should know: a lock that was left over, a file system without locks.
  package let notice: String?

  /// - Throws: an error that names host and process of the job that holds the lock.
  init(_ directory: String, files: any FileSystem) throws(CheckpointError) {
    path = directory + "/" + Self.fileName
    self.files = files
    let predecessor = try Self.owner(path, files)
    do {
      file = try files.lock(path)
    } catch  where error.meansNoLocks {
      notice = "\(directory): its file system has no locks: make sure that no other job writes there"
      return
    }
    guard let file else {
      throw CheckpointError(
        .occupied, directory,
        "another job writes there (\(try Self.owner(path, files)?.description ?? "its lock does not say which")): "
          + "wait for its end, or choose another --output")
    }
    notice = predecessor.map { "\(directory): the job that wrote there (\($0)) ended without its last words" }
    do {
      try files.writeAll(file, at: 0, from: LockOwner.current.record(byteCount: Self.recordByteCount))
    } catch {
      release()
      throw error
    }
  }

  deinit { release() }

  /// Lets other jobs in. The file goes before the lock does, so that nobody locks one that is about to go.
  package func release() {
    guard let file else { return }
    self.file = nil
    try? files.removeFile(path)
    try? files.close(file)
  }

  private static func owner(_ path: String, _ files: any FileSystem) throws(CheckpointError) -> LockOwner? {
    guard try files.kind(of: path) == .file else { return nil }
    guard let content = try? files.contents(of: path, limit: recordByteCount) else { return nil }
    return LockOwner(record: content)
  }
}
