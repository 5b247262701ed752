import Checkpoints
import Tensors

/// The files of this machine, of which some operations fail.
struct FaultyFiles: FileSystem {
  private let base = LocalFileSystem()
  /// The `errno` that an operation on a path fails with.
  private let fault: @Sendable (_ operation: FileOperation, _ path: String) -> Int32?

  init(_ fault: @escaping @Sendable (_ operation: FileOperation, _ path: String) -> Int32?) { self.fault = fault }

  func open(_ path: String) throws(CheckpointError) -> OpenFile {
    try check(.open, path)
    return try base.open(path)
  }
  func create(_ path: String) throws(CheckpointError) -> OpenFile {
    try check(.create, path)
    return try base.create(path)
  }
  func size(of file: OpenFile) throws(CheckpointError) -> Int { try base.size(of: file) }
  func read(_ file: OpenFile, at offset: Int, into bytes: Buffer<UInt8>) throws(CheckpointError) -> Int {
    try check(.read, file.path)
    return try base.read(file, at: offset, into: bytes)
  }
  func write(_ file: OpenFile, at offset: Int, from bytes: Buffer<UInt8>) throws(CheckpointError) -> Int {
    try check(.write, file.path)
    return try base.write(file, at: offset, from: bytes)
  }
  func sync(_ file: OpenFile) throws(CheckpointError) {
    try check(.sync, file.path)
    try base.sync(file)
  }
  func close(_ file: OpenFile) throws(CheckpointError) { try base.close(file) }
  func lock(_ path: String) throws(CheckpointError) -> OpenFile? { try base.lock(path) }
  func kind(of path: String) throws(CheckpointError) -> FileKind? { try base.kind(of: path) }
  func names(in directory: String) throws(CheckpointError) -> [String] { try base.names(in: directory) }
  func makeDirectory(_ path: String) throws(CheckpointError) { try base.makeDirectory(path) }
  func syncDirectory(_ path: String) throws(CheckpointError) { try base.syncDirectory(path) }
  func rename(_ path: String, to newPath: String) throws(CheckpointError) {
    try check(.rename, path)
    try base.rename(path, to: newPath)
  }
  func removeFile(_ path: String) throws(CheckpointError) { try base.removeFile(path) }
  func removeDirectory(_ path: String) throws(CheckpointError) { try base.removeDirectory(path) }

  private func check(_ operation: FileOperation, _ path: String) throws(CheckpointError) {
    if let errno = fault(operation, path) { throw .failed(operation, path, errno: errno) }
  }
}
