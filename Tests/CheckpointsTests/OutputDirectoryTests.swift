import Checkpoints
import Communication
import Foundation
import Glibc
import Testing

@Suite("Output directories")
struct OutputDirectoryTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("are made with those above them", arguments: ["new", "a/b/c"]) func made(name: String) throws {
    _ = try OutputDirectory.prepare(folder.file(name), resume: false)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file(name)).isEmpty)
  }

  @Test("that are empty are taken, twice if nothing was written") func empty() throws {
    _ = try OutputDirectory.prepare(folder.path, resume: false)
    _ = try OutputDirectory.prepare(folder.path, resume: false)
  }

  @Test("that hold something are refused without --resume and left alone") func occupied() throws {
    try folder.write("notes.txt", "mine")
    let error = checkpointError { _ = try OutputDirectory.prepare(folder.path, resume: false) }
    #expect(error?.code == .occupied)
    #expect(error?.refusal.kind == .cannotCreate)
    #expect(error?.message.contains("notes.txt") == true)
    _ = try OutputDirectory.prepare(folder.path, resume: true)
    #expect(try folder.read("notes.txt") == Array("mine".utf8))
  }

  @Test("lose what an interrupted save or removal has left, and nothing else") func interrupted() throws {
    let kept = ["checkpoint-5/model.safetensors", "checkpoint-x.incomplete/notes.txt", "records.incomplete"]
    for name in kept + ["checkpoint-10.incomplete/model.safetensors", "checkpoint-3.incomplete/config.json"] {
      try FileManager.default.createDirectory(
        at: URL(fileURLWithPath: folder.file(name)).deletingLastPathComponent(), withIntermediateDirectories: true)
      try folder.write(name, "bytes")
    }
    _ = try OutputDirectory.prepare(folder.path, resume: true)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        == ["checkpoint-5", "checkpoint-x.incomplete", "records.incomplete"])
    for name in kept { #expect(try folder.read(name) == Array("bytes".utf8)) }
  }

  @Test("that are files are refused") func file() throws {
    let path = try folder.write("file", "")
    #expect(checkpointError { _ = try OutputDirectory.prepare(path, resume: true) }?.code == .occupied)
    let below = checkpointError { _ = try OutputDirectory.prepare(path + "/run", resume: false) }
    #expect([.cannotCreate, .inputOutput].contains(below?.refusal.kind))
  }

  @Test("that cannot be written are refused", arguments: [EACCES, EROFS, ENOSPC]) func unwritable(errno: Int32) {
    let disk = SimulatedDisk(directory: "run")
    disk.setRule { _, operation, _ in operation == .create ? .fail(errno: errno) : .proceed }
    let error = checkpointError { _ = try OutputDirectory.prepare("run", resume: false, files: disk) }
    #expect(error?.code == .operationFailed(.create, errno: errno))
    #expect(error?.refusal.kind == (errno == ENOSPC ? .cannotCreate : .noPermission))
  }

  @Test("are writable again after a crash during the check") func leftOver() throws {
    for crash in 0..<12 {
      let disk = SimulatedDisk(directory: "run")
      disk.setRule { index, _, _ in index == crash ? .crash : .proceed }
      _ = checkpointError { _ = try OutputDirectory.prepare("run", resume: false, files: disk) }
      disk.restart(keeping: .everything)
      _ = try OutputDirectory.prepare("run", resume: false, files: disk)
      #expect(try disk.names(in: "run").isEmpty)
    }
  }
}
