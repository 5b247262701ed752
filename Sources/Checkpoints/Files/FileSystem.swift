package import Tensors

/// The operations on files, by the names that errors and fault tests use.
package enum FileOperation: String, Hashable, Sendable, CaseIterable {
  case open, create, inspect, read, write, sync, close, list, rename, remove, lock
  case makeDirectory = "make directory"
  case syncDirectory = "sync directory"
}

/// What a path names. Symbolic links are followed.
package enum FileKind: Hashable, Sendable { case file, directory, other }

/// A file that a ``FileSystem`` has opened.
package struct OpenFile: Hashable, Sendable {
  package let path: String
  package let descriptor: Int32

  package init(path: String, descriptor: Int32) {
    self.path = path
    self.descriptor = descriptor
  }
}

/// Every operation that this module makes on files goes through here, so that a test can fail, delay or drop the n-th.
///
/// Paths are given and reported as the user wrote them. Each method is one call to the operating system, or few: reads
/// and writes may be short. The extension has what callers want.
package protocol FileSystem: Sendable {
  func open(_ path: String) throws(CheckpointError) -> OpenFile
  /// Creates a file that must not exist yet.
  func create(_ path: String) throws(CheckpointError) -> OpenFile
  func size(of file: OpenFile) throws(CheckpointError) -> Int
  /// Reads at most `bytes.count` bytes; 0 means that the file ends at `offset`.
  func read(_ file: OpenFile, at offset: Int, into bytes: Buffer<UInt8>) throws(CheckpointError) -> Int
  /// Writes at most `bytes.count` bytes and says how many.
  func write(_ file: OpenFile, at offset: Int, from bytes: Buffer<UInt8>) throws(CheckpointError) -> Int
  /// Returns when the file's content would survive a loss of power.
  func sync(_ file: OpenFile) throws(CheckpointError)
  func close(_ file: OpenFile) throws(CheckpointError)

  /// Takes the lock on a file, which is made if it is missing; the lock ends when the file is closed or the process ends.
  /// Nil when another has it.
  func lock(_ path: String) throws(CheckpointError) -> OpenFile?

  /// Nil when nothing is there.
  func kind(of path: String) throws(CheckpointError) -> FileKind?
  /// The names in a directory, in byte order, without `.` and `..`.
  func names(in directory: String) throws(CheckpointError) -> [String]
  /// Makes a directory that must not exist yet.
  func makeDirectory(_ path: String) throws(CheckpointError)
  /// Returns when the names in a directory would survive a loss of power.
  func syncDirectory(_ path: String) throws(CheckpointError)
  func rename(_ path: String, to newPath: String) throws(CheckpointError)
  func removeFile(_ path: String) throws(CheckpointError)
  /// Removes an empty directory.
  func removeDirectory(_ path: String) throws(CheckpointError)
}

extension FileSystem {
  /// Fills the buffer from the file, however many reads that takes.
  package func readAll(_ file: OpenFile, at offset: Int, into bytes: Buffer<UInt8>) throws(CheckpointError) {
    var done = 0
    while done < bytes.count {
      let count = try read(file, at: offset + done, into: bytes[done..<bytes.count])
      guard count > 0 else {
        throw CheckpointError(
          .malformed, file.path, "the file ends at byte \(offset + done), before byte \(offset + bytes.count)")
      }
      done += count
    }
  }

  /// Writes the whole buffer, however many writes that takes.
  package func writeAll(_ file: OpenFile, at offset: Int, from bytes: Buffer<UInt8>) throws(CheckpointError) {
    var done = 0
    while done < bytes.count {
      let count = try write(file, at: offset + done, from: bytes[done..<bytes.count])
      guard count > 0 else {
        throw CheckpointError(.operationFailed(.write, errno: 0), file.path, "cannot write: the system takes no bytes")
      }
      done += count
    }
  }

  /// Opens a file, hands it to `body` and closes it whatever happens.
  package func withFile<Result>(
    _ file: OpenFile, _ body: (OpenFile) throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> Result {
    let result: Result
    do {
      result = try body(file)
    } catch {
      try? close(file)
      throw error
    }
    try close(file)
    return result
  }

  /// The content of a small file.
  package func contents(of path: String, limit: Int) throws(CheckpointError) -> [UInt8] {
    try withFile(try open(path)) { file throws(CheckpointError) in
      let size = try size(of: file)
      guard size <= limit else {
        throw CheckpointError(.malformed, path, "the file has \(size) bytes, more than the \(limit) it may have")
      }
      let bytes = Buffer<UInt8>(count: size)
      try readAll(file, at: 0, into: bytes)
      return bytes.elements
    }
  }

  /// Writes a new small file and syncs it.
  package func writeFile(_ path: String, _ contents: [UInt8]) throws(CheckpointError) {
    try withFile(try create(path)) { file throws(CheckpointError) in
      try writeAll(file, at: 0, from: Buffer(contents))
      try sync(file)
    }
  }

  /// Removes a directory that holds only files, and the files.
  package func removeFolder(_ path: String) throws(CheckpointError) {
    for name in try names(in: path) { try removeFile(path + "/" + name) }
    try removeDirectory(path)
  }

  /// Makes a directory and those above it that are missing; each new name is synced.
  package func makeDirectories(_ path: String) throws(CheckpointError) {
    guard try kind(of: path) == nil else { return }
    let parent = parentDirectory(of: path)
    try makeDirectories(parent)
    try makeDirectory(path)
    try syncDirectory(parent)
  }
}

/// The directory that holds a path: `a/b/c` → `a/b`, `c` → `.`.
package func parentDirectory(of path: String) -> String {
  let trimmed = path.last == "/" && path.count > 1 ? String(path.dropLast()) : path
  guard let slash = trimmed.lastIndex(of: "/") else { return "." }
  return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
}
