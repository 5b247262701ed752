import Checkpoints
import Glibc
import Synchronization
import Tensors

/// A file system in memory whose operations can be made to fail, and that forgets what was not synced when it crashes.
///
/// Files and directories hold two contents: what programs see, and what would survive a loss of power. `sync` copies
/// the one to the other, of a file its bytes, of a directory its names.
final class SimulatedDisk: FileSystem, @unchecked Sendable {
  /// What becomes of an operation.
  enum Outcome: Sendable {
    case proceed
    case fail(errno: Int32)
    /// A read or write moves at most this many bytes; others proceed.
    case short(Int)
    /// The machine stops: this operation and all later ones fail until ``restart(keeping:)``.
    case crash
    /// It takes effect after a while.
    case delay(Duration)
  }

  typealias Rule = @Sendable (_ index: Int, _ operation: FileOperation, _ path: String) -> Outcome

  /// What a crash leaves of the unsynced.
  enum Survival: Hashable, Sendable {
    case nothing
    case everything
    /// Each file and directory decides by itself.
    case chance(seed: UInt64)
  }

  private let lock = Mutex(())
  private var state = DiskState()

  /// Makes a disk with one empty directory.
  init(directory: String) { state.root.entries[directory] = .directory(DiskDirectory()) }

  private init(_ root: DiskDirectory) { state.root = root }

  /// Decides about every operation from now on, which are counted from 0.
  func setRule(_ rule: Rule?) {
    withState { $0.setRule(rule) }
  }

  var operationCount: Int { withState { $0.operationCount } }

  /// A disk of the same contents, synced and unsynced, that goes its own way.
  func copy() -> SimulatedDisk {
    var copier = DiskCopier()
    return withState { SimulatedDisk(copier.copy($0.root)) }
  }

  /// Makes all contents durable.
  func settle() { withState { $0.root.settle() } }

  /// Starts again after a crash.
  func restart(keeping survival: Survival) {
    withState {
      switch survival {
      case .nothing: $0.root.forget { true }
      case .everything: $0.root.forget { false }
      case .chance(let seed):
        let random = CounterRandom(seed: seed, stream: 0)
        var counter: UInt64 = 0
        $0.root.forget {
          counter += 1
          return random.uniform(counter) < 0.5
        }
      }
      $0.isDown = false
      $0.rule = nil
      $0.forgetPrograms()
    }
  }

  /// Flips one bit of a file behind everybody's back.
  func flipBit(of path: String, at offset: Int) {
    replaceByte(of: path, at: offset) { $0 ^ 1 << UInt8(offset % 8) }
  }

  /// Changes one byte of a file behind everybody's back.
  func replaceByte(of path: String, at offset: Int, _ change: (UInt8) -> UInt8) {
    withState {
      guard case .file(let file) = $0.find(path) else { preconditionFailure("no file \(path)") }
      file.content[offset] = change(file.content[offset])
    }
  }

  /// Gives a file another content behind everybody's back.
  func replace(_ path: String, by content: [UInt8]) {
    withState {
      guard case .file(let file) = $0.find(path) else { preconditionFailure("no file \(path)") }
      file.content = content
    }
  }

  /// A file's content; nil when it is not there.
  func content(of path: String) -> [UInt8]? {
    withState {
      guard case .file(let file) = $0.find(path) else { return nil }
      return file.content
    }
  }

  private func withState<Result, Failure: Error>(
    _ body: (inout DiskState) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try lock.withLock { (_) throws(Failure) in try body(&state) }
  }

  // MARK: FileSystem

  func open(_ path: String) throws(CheckpointError) -> OpenFile {
    try perform(.open, path) { (disk) throws(DiskError) in try disk.open(path) }
  }

  func create(_ path: String) throws(CheckpointError) -> OpenFile {
    try perform(.create, path) { (disk) throws(DiskError) in
      try disk.insert(.file(DiskFile()), at: path)
      return try disk.open(path)
    }
  }

  func size(of file: OpenFile) throws(CheckpointError) -> Int {
    try perform(.inspect, file.path) { (disk) throws(DiskError) in try disk.file(file).content.count }
  }

  func read(_ file: OpenFile, at offset: Int, into bytes: Buffer<UInt8>) throws(CheckpointError) -> Int {
    try perform(.read, file.path, limit: bytes.count) { (disk, limit) throws(DiskError) in
      let content = try disk.file(file).content
      let count = max(0, min(limit, content.count - offset))
      bytes[0..<count].copy(from: Array(content[offset..<offset + count]))
      return count
    }
  }

  func write(_ file: OpenFile, at offset: Int, from bytes: Buffer<UInt8>) throws(CheckpointError) -> Int {
    try perform(.write, file.path, limit: bytes.count) { (disk, limit) throws(DiskError) in
      let target = try disk.file(file)
      let missing = offset + limit - target.content.count
      if missing > 0 { target.content += [UInt8](repeating: 0, count: missing) }
      target.content.replaceSubrange(offset..<offset + limit, with: bytes[0..<limit].elements)
      return limit
    }
  }

  func sync(_ file: OpenFile) throws(CheckpointError) {
    try perform(.sync, file.path) { (disk) throws(DiskError) in
      let file = try disk.file(file)
      file.durable = file.content
    }
  }

  func close(_ file: OpenFile) throws(CheckpointError) {
    try perform(.close, file.path) { $0.close(file) }
  }

  func lock(_ path: String) throws(CheckpointError) -> OpenFile? {
    try perform(.lock, path) { (disk) throws(DiskError) in try disk.lock(path) }
  }

  func kind(of path: String) throws(CheckpointError) -> FileKind? {
    try perform(.inspect, path) {
      switch $0.find(path) {
      case .file: .file
      case .directory: .directory
      case nil: nil
      }
    }
  }

  func names(in directory: String) throws(CheckpointError) -> [String] {
    try perform(.list, directory) { (disk) throws(DiskError) in
      Array(try disk.directory(directory).entries.keys).sorted()
    }
  }

  func makeDirectory(_ path: String) throws(CheckpointError) {
    try perform(.makeDirectory, path) { (disk) throws(DiskError) in
      try disk.insert(.directory(DiskDirectory()), at: path)
    }
  }

  func syncDirectory(_ path: String) throws(CheckpointError) {
    try perform(.syncDirectory, path) { (disk) throws(DiskError) in
      let directory = try disk.directory(path)
      directory.durable = directory.entries
    }
  }

  func rename(_ path: String, to newPath: String) throws(CheckpointError) {
    try perform(.rename, path) { (disk) throws(DiskError) in
      guard let node = disk.find(path) else { throw DiskError(errno: ENOENT) }
      switch (node, disk.find(newPath)) {
      case (_, nil): break
      case (.file, .file): try disk.remove(newPath)
      default: throw DiskError(errno: ENOTEMPTY)
      }
      try disk.remove(path)
      try disk.insert(node, at: newPath)
    }
  }

  func removeFile(_ path: String) throws(CheckpointError) {
    try perform(.remove, path) { (disk) throws(DiskError) in
      guard case .file = disk.find(path) else { throw DiskError(errno: EISDIR) }
      try disk.remove(path)
    }
  }

  func removeDirectory(_ path: String) throws(CheckpointError) {
    try perform(.remove, path) { (disk) throws(DiskError) in
      guard try disk.directory(path).entries.isEmpty else { throw DiskError(errno: ENOTEMPTY) }
      try disk.remove(path)
    }
  }

  // MARK: Faults

  private func perform<Result>(
    _ operation: FileOperation, _ path: String, _ body: (inout DiskState) throws(DiskError) -> Result
  ) throws(CheckpointError) -> Result {
    try perform(operation, path, limit: 0) { (disk, _) throws(DiskError) in try body(&disk) }
  }

  /// Counts an operation, asks the rule about it and performs it; `limit` is the most bytes it may move.
  private func perform<Result>(
    _ operation: FileOperation, _ path: String, limit: Int,
    _ body: (inout DiskState, Int) throws(DiskError) -> Result
  ) throws(CheckpointError) -> Result {
    var limit = limit
    switch withState({ $0.outcome(of: operation, path) }) {
    case .proceed: break
    case .fail(let errno): throw .failed(operation, path, errno: errno)
    case .short(let count): limit = min(limit, count)
    case .crash: throw .failed(operation, path, errno: EIO)
    case .delay(let duration): usleep(UInt32(duration / .microseconds(1)))
    }
    do throws(DiskError) {
      return try withState { (disk) throws(DiskError) in try body(&disk, limit) }
    } catch {
      throw .failed(operation, path, errno: error.errno)
    }
  }
}
