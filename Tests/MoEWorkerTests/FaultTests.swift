import FlightRecorder
import Foundation
import MoEWorker
import Testing
import Watchdog

/// A training run that goes wrong because a test asks it to. `launch/test-faults.sh` has the whole table.
struct FaultyRun {
  let folder: Folder
  let outcome: Program.Outcome
  let endedAt: Date
  let records: [FlightRecord]
  let watch: FlightRecord?

  /// - Parameters:
  ///   - faults: as in `SWITCHYARD_FAILPOINT`.
  ///   - group: limits the memory of all ranks together.
  init(_ faults: String, ranks: Int = 4, _ more: [String] = [], in group: MemoryGroup? = nil) throws {
    folder = try Folder()
    let text = try folder.write("text.txt", SampleText.make(bytes: 40_000))
    let arguments = SmallRun.training(on: text, into: folder.file("run"), ["--evaluate-every", "2"] + more)
    // Only a run that goes on loads anything.
    let loads = faults.contains("phase=load")
    if loads { _ = try Program.run(arguments + ["--stop-after", "2"], ranks: ranks) }
    let all = arguments + (loads ? ["--resume"] : [])
    let environment = ["SWITCHYARD_FAILPOINT": faults]
    outcome =
      try group?.run(all, ranks: ranks, environment: environment)
      ?? Program.run(all, ranks: ranks, environment: environment)
    endedAt = Date()
    (records, watch, _) = RecordReader.read(folder.file("run/records"))
  }

  var report: FailureReport? { FailureReport(records, watch: watch, rankCount: records.map(\.rankCount).max() ?? 0) }

  /// Seconds from the failure to the end of the launcher.
  var secondsToEnd: Double? {
    report?.cause.time.map { endedAt.timeIntervalSince1970 - Double($0) / 1e9 }
  }

  /// Processes of the job that are still there a second later, its watch among them.
  var survivors: [Int] {
    let processes = (records + [watch].compactMap(\.self)).map(\.processID)
    let deadline = Date(timeIntervalSinceNow: 1)
    var alive = processes
    repeat {
      // One that has ended is listed until its parent asks for it: in a container that takes a while, and says nothing.
      alive = processes.filter { RunningProcess($0) != nil }
      Thread.sleep(forTimeInterval: 0.02)
    } while !alive.isEmpty && Date() < deadline
    return alive
  }
}

/// Rows B1 and B2: whatever ends a job, all of it ends, and the rank that failed is named.
@Suite(.serialized) struct FaultTests {
  /// A fault, and what the block must say of it.
  struct Fault: Sendable, CustomTestStringConvertible {
    let text: String
    let culprits: [Int]
    let saying: [String]
    var testDescription: String { text }

    init(_ text: String, _ culprits: [Int], _ saying: String...) {
      self.text = text
      self.culprits = culprits
      self.saying = saying
    }
  }

  static let deaths = [
    Fault("rank=2,phase=dispatch,step=3:kill", [2], "without a word", "dispatch, step 3, layer"),
    Fault("rank=1,phase=backward,step=2:trap", [1], "SIG", "backward, step 2"),
    Fault("rank=3,phase=experts,step=3,layer=1:segv", [3], "SIGSEGV", "experts, step 3, layer 1"),
    Fault("rank=0,phase=optimize,step=2:abort", [0], "SIGABRT", "optimize, step 2"),
    Fault("rank=1,phase=load,step=2:exit", [1], "exit(3)", "load, step 2"),
    Fault("rank=1+2,phase=reduce,step=3:kill", [1, 2], "without a word", "reduce, step 3"),
    Fault("rank=0+1+2,phase=save:kill", [0, 1, 2], "without a word", "save"),
  ]

  @Test(arguments: deaths) func deathEndsTheJobAndIsNamed(fault: Fault) throws {
    try check(FaultyRun(fault.text), died: fault)
  }

  @Test(
    .enabled(if: MemoryGroup.canBeMade, "skipped: control groups with a limit need root and the memory controller"),
    arguments: [Fault("rank=1,phase=experts,step=2:memory", [1], "lack of memory", "experts, step 2")])
  func lackOfMemoryEndsTheJobAndIsNamed(fault: Fault) throws {
    let group = try #require(MemoryGroup(bytes: 1 << 30))
    try check(FaultyRun(fault.text, in: group), died: fault)
  }

  private func check(_ run: FaultyRun, died fault: Fault) throws {
    #expect(run.outcome.exitCode > 0, "\(run.outcome)")
    let found = run.report
    let report = try #require(found, "\(run.outcome)")
    #expect(fault.culprits.contains(report.cause.rank ?? -1), "\(report)")
    for text in fault.saying { #expect("\(report)".contains(text), "\(text) is missing: \(report)") }
    #expect(try #require(run.secondsToEnd) < 2, "\(report)")
    #expect(run.survivors.isEmpty)
    #expect(run.outcome.errors.components(separatedBy: "the job failed").count == 2, "\(run.outcome)")
    let blame = try Program.run(["blame", run.folder.file("run")])
    #expect(blame.exitCode == 0 && blame.output == report.description, "\(blame)")
  }

  static let stops = [
    Fault("rank=2,phase=experts,step=3:stop", [2], "no sign of life", "experts, step 3"),
    Fault("rank=0,phase=dispatch,step=3:stop", [0], "no sign of life", "dispatch, step 3"),
    Fault("rank=1,phase=forward,step=2,layer=1:hang", [1], "stuck", "forward, step 2, layer 1"),
    Fault("rank=3,phase=backward,step=2:lock", [3], "stuck", "backward, step 2"),
    Fault("rank=1,phase=dispatch,step=2:drop", [1], "from rank 1 to rank", "was sent and has not arrived"),
  ]

  @Test(arguments: stops) func aStandstillIsNamedWithinTheLimit(fault: Fault) throws {
    let run = try FaultyRun(fault.text, ["--heartbeat-limit", "1"])
    #expect(run.outcome.exitCode == 75, "\(run.outcome)")
    let found = run.report
    let report = try #require(found, "\(run.outcome)")
    #expect(fault.culprits.contains(report.cause.rank ?? -1), "\(report)")
    for text in fault.saying { #expect("\(report)".contains(text), "\(text) is missing: \(report)") }
    #expect(run.outcome.errors.components(separatedBy: "the job failed").count == 2, "\(run.outcome)")
    #expect(run.survivors.isEmpty)
    // From the rank's last act to the end: the limit, which is longer where steps are, and two seconds.
    let record = try #require(run.records.first { $0.rank == fault.culprits[0] })
    let stood = Double(record.wallTime(record.operations.last?.time ?? 0)) / 1e9
    let longestStep = run.records.map(\.longestStep).max() ?? 0
    let limit = HeartbeatLimits(heartbeat: .seconds(1), wait: .seconds(60)).heartbeat(longestStep: longestStep)
    #expect(run.endedAt.timeIntervalSince1970 - stood < Double(limit) / 1e9 + 2, "\(report)")
  }

  /// Ranks that give up by themselves, before the watch has judged: the watch still writes the one block, and the job has
  /// not ended well although all of its steps are done.
  @Test(arguments: [
    Fault("rank=2,phase=backward,step=2:hang", [2], "in vain", "no message arrived for 2.0 s", "backward, step 2"),
    Fault("rank=2,phase=end:hang", [0, 1, 2, 3], "no message arrived for 2.0 s", "end"),
  ])
  func aWaitThatIsTooLongEndsTheJobWithABlock(fault: Fault) throws {
    let run = try FaultyRun(fault.text, ["--heartbeat-limit", "60", "--wait-limit", "2"])
    #expect(run.outcome.exitCode == 75, "\(run.outcome)")
    let report = try #require(run.report, "\(run.outcome)")
    #expect(fault.culprits.contains(report.cause.rank ?? -1), "\(report)")
    for text in fault.saying { #expect("\(report)".contains(text), "\(text) is missing: \(report)") }
    #expect(run.outcome.errors.components(separatedBy: "the job failed").count == 2, "\(run.outcome)")
    #expect(run.survivors.isEmpty)
  }

  @Test func aSlowRankIsNotEnded() throws {
    let run = try FaultyRun("rank=1,phase=backward:slow;rank=1,phase=experts:slow", ["--heartbeat-limit", "1"])
    #expect(run.outcome.exitCode == 0 && run.report == nil, "\(run.outcome)")
  }

  @Test func faultsThatAreNoneAreRefused() throws {
    for text in ["kill", "rank=1:explode", "phase=lunch:kill", "rank=x:kill"] {
      let outcome = try Program.run(["doctor"], ranks: 2, environment: ["SWITCHYARD_FAILPOINT": text])
      expectRefusal(outcome, exitCode: 64, saying: "SWITCHYARD_FAILPOINT", text)
    }
  }

  @Test func aFolderWithoutRecordsHasNobodyToBlame() throws {
    let folder = try Folder()
    expectRefusal(try Program.run(["blame", folder.path]), exitCode: 66, saying: "records")
    try folder.write("records/rank-0.record", Data([1, 2, 3]))
    expectRefusal(try Program.run(["blame", folder.path]), exitCode: 66, saying: "no record")
  }
}
