import Checkpoints
import Communication
import Foundation
import Glibc
import Testing

@Suite("The lock of an output directory")
struct OutputLockTests {
  private let folder: TemporaryFolder
  private var lockPath: String { folder.file(OutputLock.fileName) }

  init() throws { folder = try TemporaryFolder() }

  @Test("keeps a second job out, which is told host and process", arguments: [false, true])
  func second(resume: Bool) throws {
    let lock = try OutputDirectory.prepare(folder.path, resume: resume)
    let error = checkpointError { _ = try OutputDirectory.prepare(folder.path, resume: resume) }
    #expect(error?.code == .occupied)
    #expect(error?.refusal.kind == .cannotCreate)
    #expect(error?.message.contains("process \(getpid()) on host \(try hostName())") == true, "\(error as Any)")
    #expect(lock.notice == nil)
    lock.release()
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    #expect(try OutputDirectory.prepare(folder.path, resume: resume).notice == nil)
  }

  @Test("ends with the process that held it, whatever it leaves behind") func stale() throws {
    for content in [#"{"host":"elsewhere","process":7}"#, "", "{", String(repeating: "x", count: 5000)] {
      try folder.write(OutputLock.fileName, content)
      let lock = try OutputDirectory.prepare(folder.path, resume: false)
      #expect(lock.notice?.contains("process 7 on host elsewhere") == (content.contains("elsewhere") ? true : nil))
      let second = checkpointError { _ = try OutputDirectory.prepare(folder.path, resume: true) }
      #expect(second?.code == .occupied, "after \(content)")
      #expect(content.count > 512 || second?.message.contains("process \(getpid())") == true, "\(second as Any)")
    }
  }

  @Test("is held by another process until that is killed") func otherProcess() throws {
    try folder.write(OutputLock.fileName, #"{"host":"here","process":12}"#)
    let holder = Process()
    holder.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
    holder.arguments = ["--no-fork", lockPath, "sleep", "60"]
    try holder.run()
    let disk = LocalFileSystem()
    let deadline = Date(timeIntervalSinceNow: 10)
    while let file = try disk.lock(lockPath), Date() < deadline {
      try disk.close(file)
      usleep(10_000)
    }
    let refused = checkpointError { _ = try OutputDirectory.prepare(folder.path, resume: true) }
    #expect(refused?.message.contains("process 12 on host here") == true, "\(refused as Any)")
    kill(holder.processIdentifier, SIGKILL)
    holder.waitUntilExit()
    let lock = try OutputDirectory.prepare(folder.path, resume: true)
    #expect(lock.notice?.contains("process 12 on host here") == true)
  }

  @Test("is done without where the file system has none, and that is said", arguments: [ENOLCK, ENOSYS, ENOTSUP])
  func noLocks(errno: Int32) throws {
    let disk = SimulatedDisk(directory: "run")
    disk.setRule { _, operation, _ in operation == .lock ? .fail(errno: errno) : .proceed }
    let lock = try OutputDirectory.prepare("run", resume: false, files: disk)
    #expect(lock.notice?.contains("no locks") == true)
  }

  @Test("that cannot be taken is an error", arguments: [EACCES, EROFS, EIO]) func failure(errno: Int32) {
    let disk = SimulatedDisk(directory: "run")
    disk.setRule { _, operation, _ in operation == .lock ? .fail(errno: errno) : .proceed }
    let error = checkpointError { _ = try OutputDirectory.prepare("run", resume: false, files: disk) }
    #expect(error?.code == .operationFailed(.lock, errno: errno))
    #expect(error?.refusal.kind == (errno == EIO ? .cannotCreate : .noPermission))
  }

  private func hostName() throws -> String {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count)
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
  }
}
