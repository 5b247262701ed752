import Checkpoints
import Communication
import Glibc
import Testing

@Suite("Output files")
struct OutputFileTests {
  private static let path = "run/trace.json"
  /// More than is held back, so that some is written before the end.
  private static let text = String(repeating: "0123456789abcdef", count: 1 << 17)

  private func write(on disk: SimulatedDisk) throws(CheckpointError) {
    let file = try OutputFile(Self.path, files: disk)
    for _ in 0..<2 { try file.append(Self.text) }
    try file.finish()
  }

  private func diskWithOldFile() throws(CheckpointError) -> SimulatedDisk {
    let disk = SimulatedDisk(directory: "run")
    try disk.writeFile(Self.path, Array("old".utf8))
    disk.settle()
    return disk
  }

  @Test("replace what was there when they are complete") func replaced() throws {
    let disk = try diskWithOldFile()
    try write(on: disk)
    disk.restart(keeping: .nothing)
    #expect(disk.content(of: Self.path) == Array((Self.text + Self.text).utf8))
    #expect(try disk.names(in: "run") == ["trace.json"])
  }

  @Test("leave the old file whole and nothing else when an operation fails") func failures() throws {
    let disk = try diskWithOldFile()
    let before = disk.operationCount
    try write(on: disk)
    let operationCount = disk.operationCount - before
    #expect(operationCount > 8)
    for failing in 0..<operationCount {
      let disk = try diskWithOldFile()
      disk.setRule { index, _, _ in index == failing ? .fail(errno: ENOSPC) : .proceed }
      #expect(throws: CheckpointError.self, "operation \(failing)") { try write(on: disk) }
      disk.setRule(nil)
      #expect(try disk.names(in: "run") == ["trace.json"], "operation \(failing)")
      let content = try #require(disk.content(of: Self.path))
      #expect(content == Array("old".utf8) || content.count == 2 * Self.text.utf8.count, "operation \(failing)")
    }
  }

  @Test("are old or new after a crash, and can be written again") func crashes() throws {
    var crash = 0
    var isDone = false
    while !isDone {
      let disk = try diskWithOldFile()
      let crashing = crash
      disk.setRule { index, _, _ in index == crashing ? .crash : .proceed }
      isDone = (try? write(on: disk)) != nil
      disk.restart(keeping: .chance(seed: UInt64(crash)))
      let content = try #require(disk.content(of: Self.path))
      #expect(content == Array("old".utf8) || content.count == 2 * Self.text.utf8.count, "operation \(crash)")
      try write(on: disk)
      #expect(try disk.names(in: "run") == ["trace.json"], "operation \(crash)")
      crash += 1
    }
    #expect(crash > 8)
  }

  @Test("are not made in a directory's place") func directory() {
    let error = checkpointError { _ = try OutputFile("run", files: SimulatedDisk(directory: "run")) }
    #expect(error?.refusal.kind == .cannotCreate)
  }
}
