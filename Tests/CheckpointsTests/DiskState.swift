import Checkpoints
import Glibc

/// A file of a simulated disk.
final class DiskFile {
  /// What programs see.
  var content: [UInt8] = []
  /// What would survive a loss of power.
  var durable: [UInt8] = []
}

/// A directory of a simulated disk.
final class DiskDirectory {
  var entries: [String: DiskNode] = [:]
  var durable: [String: DiskNode] = [:]

  /// Makes everything below durable.
  func settle() {
    durable = entries
    for node in entries.values {
      switch node {
      case .file(let file): file.durable = file.content
      case .directory(let directory): directory.settle()
      }
    }
  }

  /// A crash: what is not durable is lost where `isLost` says so, asked once per directory and file in name order.
  func forget(_ isLost: () -> Bool) {
    if isLost() { entries = durable }
    for (_, node) in entries.sorted(by: { $0.key < $1.key }) {
      switch node {
      case .file(let file): if isLost() { file.content = file.durable }
      case .directory(let directory): directory.forget(isLost)
      }
    }
  }
}

enum DiskNode {
  case file(DiskFile)
  case directory(DiskDirectory)
}

/// Copies a tree of directories in which a node may stand in several places, as one that is being renamed does.
struct DiskCopier {
  private var files: [ObjectIdentifier: DiskFile] = [:]
  private var directories: [ObjectIdentifier: DiskDirectory] = [:]

  mutating func copy(_ directory: DiskDirectory) -> DiskDirectory {
    if let known = directories[ObjectIdentifier(directory)] { return known }
    let result = DiskDirectory()
    directories[ObjectIdentifier(directory)] = result
    result.entries = directory.entries.mapValues { copy($0) }
    result.durable = directory.durable.mapValues { copy($0) }
    return result
  }

  private mutating func copy(_ node: DiskNode) -> DiskNode {
    switch node {
    case .directory(let directory): return .directory(copy(directory))
    case .file(let file):
      if let known = files[ObjectIdentifier(file)] { return .file(known) }
      let result = DiskFile()
      result.content = file.content
      result.durable = file.durable
      files[ObjectIdentifier(file)] = result
      return .file(result)
    }
  }
}

struct DiskError: Error { let errno: Int32 }

/// What a simulated disk knows; guarded by its lock. Paths are relative, without `.` and `..`.
struct DiskState {
  var root = DiskDirectory()
  var rule: SimulatedDisk.Rule?
  private(set) var operationCount = 0
  var isDown = false
  private var openFiles: [OpenFile: DiskFile] = [:]
  /// Which open file has a file's lock.
  private var locks: [ObjectIdentifier: OpenFile] = [:]
  private var nextDescriptor: Int32 = 0

  /// Starts the count anew with every rule.
  mutating func setRule(_ rule: SimulatedDisk.Rule?) {
    self.rule = rule
    operationCount = 0
  }

  mutating func outcome(of operation: FileOperation, _ path: String) -> SimulatedDisk.Outcome {
    guard !isDown else { return .crash }
    let outcome = rule?(operationCount, operation, path) ?? .proceed
    operationCount += 1
    if case .crash = outcome { isDown = true }
    return outcome
  }

  // MARK: Paths

  func find(_ path: String) -> DiskNode? {
    var node = DiskNode.directory(root)
    for name in path.split(separator: "/") where name != "." {
      guard case .directory(let directory) = node, let next = directory.entries[String(name)] else { return nil }
      node = next
    }
    return node
  }

  func directory(_ path: String) throws(DiskError) -> DiskDirectory {
    switch find(path) {
    case .directory(let directory): return directory
    case .file: throw DiskError(errno: ENOTDIR)
    case nil: throw DiskError(errno: ENOENT)
    }
  }

  func insert(_ node: DiskNode, at path: String) throws(DiskError) {
    let parent = try directory(parentDirectory(of: path))
    let name = String(path.split(separator: "/").last ?? "")
    guard parent.entries[name] == nil else { throw DiskError(errno: EEXIST) }
    parent.entries[name] = node
  }

  func remove(_ path: String) throws(DiskError) {
    let parent = try directory(parentDirectory(of: path))
    parent.entries[String(path.split(separator: "/").last ?? "")] = nil
  }

  // MARK: Open files

  mutating func open(_ path: String) throws(DiskError) -> OpenFile {
    switch find(path) {
    case .file(let file):
      nextDescriptor += 1
      let handle = OpenFile(path: path, descriptor: nextDescriptor)
      openFiles[handle] = file
      return handle
    case .directory: throw DiskError(errno: EISDIR)
    case nil: throw DiskError(errno: ENOENT)
    }
  }

  func file(_ handle: OpenFile) throws(DiskError) -> DiskFile {
    guard let file = openFiles[handle] else { throw DiskError(errno: EBADF) }
    return file
  }

  mutating func close(_ handle: OpenFile) {
    if let file = openFiles[handle], locks[ObjectIdentifier(file)] == handle { locks[ObjectIdentifier(file)] = nil }
    openFiles[handle] = nil
  }

  /// Opens a file, which is made if it is missing, and takes its lock; nil when another open file has it.
  mutating func lock(_ path: String) throws(DiskError) -> OpenFile? {
    if find(path) == nil { try insert(.file(DiskFile()), at: path) }
    let handle = try open(path)
    let file = ObjectIdentifier(try file(handle))
    guard locks[file] == nil else {
      openFiles[handle] = nil
      return nil
    }
    locks[file] = handle
    return handle
  }

  /// All programs have ended.
  mutating func forgetPrograms() {
    openFiles = [:]
    locks = [:]
  }
}
