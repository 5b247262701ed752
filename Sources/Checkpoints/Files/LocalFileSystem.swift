import CLinux
import Communication
package import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// The files of this machine. The only file of the module that calls the operating system.
package struct LocalFileSystem: FileSystem {
  package init() {}

  /// Non-blocking, so that a pipe in a file's place is reported instead of waited for.
  package func open(_ path: String) throws(CheckpointError) -> OpenFile {
    let flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC
    return OpenFile(path: path, descriptor: Int32(try call(.open, path) { unsafe Int(Glibc.open(path, flags)) }))
  }

  package func create(_ path: String) throws(CheckpointError) -> OpenFile {
    let flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC
    return OpenFile(
      path: path, descriptor: Int32(try call(.create, path) { unsafe Int(Glibc.open(path, flags, 0o666)) }))
  }

  package func size(of file: OpenFile) throws(CheckpointError) -> Int {
    var status = stat()
    _ = try call(.inspect, file.path) { unsafe Int(fstat(file.descriptor, &status)) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw CheckpointError(.malformed, file.path, "this is not a regular file")
    }
    return Int(status.st_size)
  }

  package func read(
    _ file: OpenFile, at offset: Int, into bytes: Buffer<UInt8>
  ) throws(CheckpointError) -> Int {
    try call(.read, file.path) { unsafe pread(file.descriptor, bytes.pointer, bytes.count, offset) }
  }

  package func write(
    _ file: OpenFile, at offset: Int, from bytes: Buffer<UInt8>
  ) throws(CheckpointError) -> Int {
    if let count = writeDirectly(file, at: offset, from: bytes) { return count }
    return try call(.write, file.path) { unsafe pwrite(file.descriptor, bytes.pointer, bytes.count, offset) }
  }

  /// Many whole pages go to the device past the page cache, where the file system can: a copy and new pages in the kernel would
  /// cost the processors more than all else of writing, and who writes so much does not read it soon.
  ///
  /// - Returns: nil if they must go the ordinary way.
  private func writeDirectly(_ file: OpenFile, at offset: Int, from bytes: Buffer<UInt8>) -> Int? {
    let address = unsafe Int(bitPattern: bytes.pointer)
    guard bytes.count >= Self.directByteCount, (address | offset | bytes.count) % Memory.pageSize == 0,
      switchyard_set_direct(file.descriptor, 1) == 0
    else { return nil }
    let result = unsafe pwrite(file.descriptor, bytes.pointer, bytes.count, offset)
    // What failed is tried in the ordinary way, which says why or succeeds.
    return switchyard_set_direct(file.descriptor, 0) == 0 && result > 0 ? result : nil
  }

  /// Fewer bytes are written faster through the page cache.
  private static let directByteCount = 64 << 10

  package func sync(_ file: OpenFile) throws(CheckpointError) {
    _ = try call(.sync, file.path) { Int(fsync(file.descriptor)) }
  }

  /// Not repeated after an interruption: Linux has released the descriptor by then.
  package func close(_ file: OpenFile) throws(CheckpointError) {
    guard Glibc.close(file.descriptor) == 0 || errno == EINTR else { throw .failed(.close, file.path, errno: errno) }
  }

  /// `flock`: it belongs to the open file, so it ends with the process, holds among containers of one kernel whatever their
  /// processes are called, and over NFS among hosts.
  package func lock(_ path: String) throws(CheckpointError) -> OpenFile? {
    let flags = O_RDWR | O_CREAT | O_CLOEXEC
    while true {
      let file = OpenFile(
        path: path, descriptor: Int32(try call(.lock, path) { unsafe Int(Glibc.open(path, flags, 0o666)) }))
      let isHeld: Bool
      do throws(CheckpointError) {
        isHeld = try holdsLock(file)
      } catch {
        try? close(file)
        throw error
      }
      // The one that had the lock may have removed the file between the two calls: then there is another one by now.
      if isHeld, try linkCount(of: file) > 0 { return file }
      try close(file)
      if !isHeld { return nil }
    }
  }

  /// Takes the lock, unless another has it.
  private func holdsLock(_ file: OpenFile) throws(CheckpointError) -> Bool {
    do throws(CheckpointError) {
      _ = try call(.lock, file.path) { Int(flock(file.descriptor, LOCK_EX | LOCK_NB)) }
      return true
    } catch {
      guard error.code == .operationFailed(.lock, errno: EWOULDBLOCK) else { throw error }
      return false
    }
  }

  private func linkCount(of file: OpenFile) throws(CheckpointError) -> Int {
    var status = stat()
    _ = try call(.inspect, file.path) { unsafe Int(fstat(file.descriptor, &status)) }
    return Int(status.st_nlink)
  }

  package func kind(of path: String) throws(CheckpointError) -> FileKind? {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw .failed(.inspect, path, errno: errno)
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return .file
    case S_IFDIR: return .directory
    default: return .other
    }
  }

  package func names(in directory: String) throws(CheckpointError) -> [String] {
    guard let stream = unsafe opendir(directory) else { throw .failed(.list, directory, errno: errno) }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = unsafe readdir(stream) else { break }
      let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    guard errno == 0 else { throw .failed(.list, directory, errno: errno) }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  package func makeDirectory(_ path: String) throws(CheckpointError) {
    _ = try call(.makeDirectory, path) { unsafe Int(mkdir(path, 0o777)) }
  }

  package func syncDirectory(_ path: String) throws(CheckpointError) {
    let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
    let descriptor = Int32(try call(.syncDirectory, path) { unsafe Int(Glibc.open(path, flags)) })
    defer { _ = Glibc.close(descriptor) }
    _ = try call(.syncDirectory, path) { Int(fsync(descriptor)) }
  }

  package func rename(_ path: String, to newPath: String) throws(CheckpointError) {
    _ = try call(.rename, path) { unsafe Int(Glibc.rename(path, newPath)) }
  }

  package func removeFile(_ path: String) throws(CheckpointError) {
    _ = try call(.remove, path) { unsafe Int(unlink(path)) }
  }

  package func removeDirectory(_ path: String) throws(CheckpointError) {
    _ = try call(.remove, path) { unsafe Int(rmdir(path)) }
  }

  /// Makes a call that reports failure as −1 and `errno`, again when a signal interrupted it.
  private func call(_ operation: FileOperation, _ path: String, _ body: () -> Int) throws(CheckpointError) -> Int {
    while true {
      let result = body()
      if result >= 0 { return result }
      if errno != EINTR { throw .failed(operation, path, errno: errno) }
    }
  }
}

extension CheckpointError {
  /// The error of an operation that the operating system refused.
  package static func failed(_ operation: FileOperation, _ path: String, errno: Int32) -> CheckpointError {
    let isMissing = errno == ENOENT && (operation == .open || operation == .list)
    guard !isMissing else { return CheckpointError(.missing, path, "there is no such file or directory") }
    let text = unsafe String(cString: strerror(errno))
    return CheckpointError(
      .operationFailed(operation, errno: errno), path, "cannot \(operation.rawValue): \(text) (errno \(errno))")
  }
}

extension CheckpointError {
  /// Whether the file system does not know what a lock is.
  var meansNoLocks: Bool {
    [ENOLCK, ENOSYS, ENOTSUP].contains { code == .operationFailed(.lock, errno: $0) }
  }
}

extension FileOperation {
  /// What kind of refusal a failure of this operation is.
  func refusalKind(errno: Int32) -> Refusal.Kind {
    switch errno {
    case EACCES, EPERM, EROFS: .noPermission
    case ENOTDIR where self == .open || self == .list: .missingInput
    default: [.create, .makeDirectory, .lock].contains(self) ? .cannotCreate : .inputOutput
    }
  }
}
