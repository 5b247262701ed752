import FlightRecorder
import Foundation
import Glibc
import Testing

/// What `status` says of runs that go on, that have ended one way or another, and of what is no run.
@Suite(.serialized) struct StatusTests {
  let folder: Folder
  let text: String

  init() throws {
    folder = try Folder()
    text = try folder.write("text.txt", SampleText.make(bytes: 40_000))
  }

  private func training(_ more: String...) -> [String] {
    SmallRun.training(on: text, into: folder.file("run"), more)
  }

  private func status() throws -> String {
    let outcome = try Program.run(["status", folder.file("run")])
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
    return outcome.output
  }

  private func json() throws -> [String: Any] {
    let outcome = try Program.run(["status", folder.file("run"), "--json"])
    #expect(outcome.exitCode == 0 && outcome.output.split(separator: "\n").count == 1, "\(outcome)")
    return try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome)")
  }

  @Test func aRunThatIsDoneIsFinished() throws {
    #expect(try Program.run(training(), ranks: 2).exitCode == 0)
    let words = try status()
    for part in ["finished", "6 of 6, loss ", " tokens/s", "step 6, ", " old", "rank 1 ", "exit code 0"] {
      #expect(words.contains(part), "\(part) is missing: \(words)")
    }
    let fields = try json()
    #expect(fields["state"] as? String == "finished" && fields["ranks"] as? Int == 2)
    #expect(fields["step"] as? Int == 6 && fields["last_step"] as? Int == 6 && fields["loss"] is Double)
    let checkpoint = try #require(fields["checkpoint"] as? [String: Any])
    #expect(checkpoint["step"] as? Int == 6 && checkpoint["age_seconds"] as? Double ?? -1 >= 0)
    let ranks = try #require(fields["rank_records"] as? [[String: Any]])
    #expect(ranks.map { $0["rank"] as? Int } == [0, 1])
    for rank in ranks { #expect(rank["alive"] as? Bool == false && rank["exit_code"] as? Int == 0) }
  }

  @Test func metricsThatLieElsewhereAreNamed() throws {
    let metrics = folder.file("elsewhere.jsonl")
    #expect(try Program.run(training("--metrics", metrics)).exitCode == 0)
    #expect(try !status().contains("loss"))
    let outcome = try Program.run(["status", folder.file("run"), "--metrics", metrics])
    #expect(outcome.output.contains("6 of 6, loss ") && outcome.errors.isEmpty, "\(outcome)")
    let wrong = try Program.run(["status", folder.file("run"), "--metrics", metrics + "s"])
    #expect(wrong.exitCode == 0 && wrong.errors.contains("elsewhere.jsonls has no line of metrics"), "\(wrong)")
  }

  /// A run is looked at while it trains, then asked to stop.
  @Test func aRunThatGoesOnIsRunningAndThenStopped() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Program.launcher)
    process.arguments = ["-np", "2", Program.executable] + training("--steps", "100000")
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try folder.newFile("output")
    process.standardError = try folder.newFile("errors")
    try process.runWithSignals()
    defer { process.terminate() }
    let deadline = Date(timeIntervalSinceNow: 60)
    while process.isRunning, Date() < deadline,
      !FileManager.default.fileExists(atPath: folder.file("run/checkpoint-2"))
    { Thread.sleep(forTimeInterval: 0.02) }
    let fields = try json()
    #expect(fields["state"] as? String == "running", "\(fields)")
    #expect(fields["last_step"] as? Int == 100_000 && fields["step"] as? Int ?? 0 > 0, "\(fields)")
    let ranks = try #require(fields["rank_records"] as? [[String: Any]])
    for rank in ranks { #expect(rank["alive"] as? Bool == true && rank["phase"] is String, "\(rank)") }
    #expect(try status().contains("running: 2 of 2 ranks alive"))
    process.terminate()
    process.waitUntilExit()
    #expect(try status().contains("stopped on request"))
    #expect(try json()["state"] as? String == "stopped")
  }

  @Test func aRankThatWasKilledIsNamed() throws {
    let outcome = try Program.run(
      training(), ranks: 2, environment: ["SWITCHYARD_FAILPOINT": "rank=1,phase=forward,step=3:segv"])
    #expect(outcome.exitCode > 0)
    let words = try status()
    #expect(words.contains("failed: rank 1: killed by signal 11") && words.contains("blame"), "\(words)")
    let fields = try json()
    #expect(fields["state"] as? String == "failed" && fields["failed_rank"] as? Int == 1, "\(fields)")
  }

  @Test func aRunWhoseProcessesAreGoneIsLost() throws {
    let ended = Process()
    ended.executableURL = URL(fileURLWithPath: "/bin/true")
    try ended.run()
    ended.waitUntilExit()
    try leaveRecord(host: try Self.ownHost(), process: ended.processIdentifier)
    let words = try status()
    #expect(words.contains("lost") && words.contains("gone: forward, step 3, layer 1"), "\(words)")
    #expect(words.contains("3 of 9"), "\(words)")
    // The number belongs to a process that began later: this is not the rank.
    try leaveRecord(host: try Self.ownHost(), process: getpid(), ageSeconds: 1_000_000)
    #expect(try status().contains("lost"))
  }

  @Test func ranksOfOtherHostsAreAliveWhileTheirHeartIsHeard() throws {
    try leaveRecord(host: "elsewhere", process: 1)
    #expect(try json()["state"] as? String == "running")
    try leaveRecord(host: "elsewhere", process: 1, ageSeconds: 100)
    let fields = try json()
    #expect(fields["state"] as? String == "silent", "\(fields)")
    let ranks = try #require(fields["rank_records"] as? [[String: Any]])
    #expect(ranks[0]["alive"] is NSNull && ranks[0]["heartbeat_age_seconds"] as? Double ?? 0 > 99, "\(fields)")
  }

  @Test func aCheckpointThatIsIncompleteIsSaid() throws {
    try leaveRecord(host: "elsewhere", process: 1)
    try folder.write("run/checkpoint-2/config.json", "{}")
    let outcome = try Program.run(["status", folder.file("run")])
    #expect(outcome.exitCode == 0 && outcome.output.contains("checkpoint   none"), "\(outcome)")
    #expect(outcome.errorLines.count == 1 && outcome.errors.contains("checkpoint-2"), "\(outcome)")
  }

  @Test func whatIsNoRunIsRefused() throws {
    expectRefusal(try Program.run(["status"]), exitCode: 64, saying: "run-dir", "status --help")
    expectRefusal(try Program.run(["status", folder.file("nowhere")]), exitCode: 66, saying: "nowhere", "--output")
    expectRefusal(try Program.run(["status", text]), exitCode: 66, saying: "text.txt")
    expectRefusal(try Program.run(["status", folder.path]), exitCode: 66, saying: "records")
    try folder.write("records/rank-0.record", Data([1, 2, 3]))
    expectRefusal(try Program.run(["status", folder.path]), exitCode: 66, saying: "no record")
  }

  // MARK: Records without a run

  private static func ownHost() throws -> String {
    try String(contentsOfFile: "/proc/sys/kernel/hostname", encoding: .utf8).trimmingCharacters(in: .newlines)
  }

  /// The words of a record that a test changes, as `RecordLayout` places them.
  private enum Word: Int { case processID = 4, clockOffset = 6 }

  /// Leaves the record of a rank in step 3 of 9 that has not ended.
  private func leaveRecord(host: String, process: Int32, ageSeconds: UInt64 = 0) throws {
    try FileManager.default.createDirectory(atPath: folder.file("run/records"), withIntermediateDirectories: true)
    let path = folder.file("run/records/rank-0.record")
    let recorder = FlightRecorder(rank: 0, rankCount: 1, hostName: host)
    try recorder.keep(in: path)
    recorder.plan(lastStep: 9)
    recorder.enter("forward", step: 3, layer: 1)
    recorder.beat()
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    func change(_ word: Word, _ body: (UInt64) -> UInt64) {
      let place = 8 * word.rawValue
      let value = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[place + $1]) << UInt64(8 * $1) }
      let changed = body(value)
      for byte in 0..<8 { bytes[place + byte] = UInt8(truncatingIfNeeded: changed >> UInt64(8 * byte)) }
    }
    change(.processID) { _ in UInt64(process) }
    change(.clockOffset) { $0 &- ageSeconds * 1_000_000_000 }
    try bytes.write(to: URL(fileURLWithPath: path))
  }
}
