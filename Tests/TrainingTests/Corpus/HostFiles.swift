import Checkpoints
import Tensors

/// The files of one of several hosts: absolute paths mean what lies below a folder of the host's own.
struct HostFiles: FileSystem {
  let root: String
  private let local = LocalFileSystem()

  init(root: String) { self.root = root }

  func open(_ path: String) throws(CheckpointError) -> OpenFile { try local.open(root + path) }
  func create(_ path: String) throws(CheckpointError) -> OpenFile { try local.create(root + path) }
  func size(of file: OpenFile) throws(CheckpointError) -> Int { try local.size(of: file) }
  func read(_ file: OpenFile, at offset: Int, into bytes: Buffer<UInt8>) throws(CheckpointError) -> Int {
    try local.read(file, at: offset, into: bytes)
  }
  func write(_ file: OpenFile, at offset: Int, from bytes: Buffer<UInt8>) throws(CheckpointError) -> Int {
    try local.write(file, at: offset, from: bytes)
  }
  func sync(_ file: OpenFile) throws(CheckpointError) { try local.sync(file) }
  func close(_ file: OpenFile) throws(CheckpointError) { try local.close(file) }
  func lock(_ path: String) throws(CheckpointError) -> OpenFile? { try local.lock(root + path) }
  func kind(of path: String) throws(CheckpointError) -> FileKind? { try local.kind(of: root + path) }
  func names(in directory: String) throws(CheckpointError) -> [String] { try local.names(in: root + directory) }
  func makeDirectory(_ path: String) throws(CheckpointError) { try local.makeDirectory(root + path) }
  func syncDirectory(_ path: String) throws(CheckpointError) { try local.syncDirectory(root + path) }
  func rename(_ path: String, to newPath: String) throws(CheckpointError) {
    try local.rename(root + path, to: root + newPath)
  }
  func removeFile(_ path: String) throws(CheckpointError) { try local.removeFile(root + path) }
  func removeDirectory(_ path: String) throws(CheckpointError) { try local.removeDirectory(root + path) }
}
