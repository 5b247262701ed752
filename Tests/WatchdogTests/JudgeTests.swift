import FlightRecorder
import Testing
import Watchdog

/// A job of some ranks as the watch hears of it, with a clock of its own.
private struct HeardJob {
  let recorders: [FlightRecorder]
  var judge: Judge
  var now: UInt64 = 1_000_000_000_000

  init(ranks: Int = 4, phase: String = "forward", step: Int? = 1) {
    recorders = (0..<ranks).map { FlightRecorder(rank: $0, rankCount: ranks, hostName: "host") }
    judge = Judge(HeartbeatLimits(heartbeat: .seconds(10), wait: .seconds(60)))
    for recorder in recorders { recorder.enter(phase, step: step, layer: nil) }
  }

  /// Time goes on, and all ranks but some are heard of.
  mutating func pass(seconds: Int, without silent: Set<Int> = [], moving: Set<Int> = []) throws {
    for _ in 0..<seconds {
      now += 1_000_000_000
      for rank in moving { recorders[rank].noteTask() }
      for recorder in recorders where !silent.contains(recorder.rank) {
        judge.heard(try FlightRecord(recorder.snapshot()), at: now)
      }
    }
  }

  var verdict: Verdict? { judge.verdict(at: now) }
}

@Suite struct JudgeTests {
  @Test func aRankThatGivesNoSignIsNamedAfterTheLimit() throws {
    var job = HeardJob()
    try job.pass(seconds: 5, moving: [0, 1, 2, 3])
    try job.pass(seconds: 10, without: [2], moving: [0, 1, 3])
    #expect(job.verdict == nil)
    try job.pass(seconds: 1, without: [2], moving: [0, 1, 3])
    #expect(job.verdict == .silent(rank: 2, nanoseconds: 11_000_000_000))
  }

  @Test func aRankThatDoesNothingIsNamedThoughItLives() throws {
    var job = HeardJob()
    for rank in [0, 1, 3] { job.recorders[rank].beginWait(for: "a sum", missing: [2]) }
    try job.pass(seconds: 11)
    #expect(job.verdict == nil)
    try job.pass(seconds: 1)
    #expect(job.verdict?.rank == 2)
  }

  @Test func aSlowRankIsNeverJudged() throws {
    var job = HeardJob()
    for rank in [0, 1, 3] { job.recorders[rank].beginWait(for: "a sum", missing: [2]) }
    for _ in 0..<50 {
      try job.pass(seconds: 9)
      #expect(job.verdict == nil)
      try job.pass(seconds: 1, moving: [2])
    }
  }

  @Test func theLimitGrowsWithTheLongestStep() {
    let limits = HeartbeatLimits(heartbeat: .seconds(10), wait: .seconds(60))
    #expect(limits.heartbeat(longestStep: 3_000_000_000) == 15_000_000_000)
    #expect(limits.heartbeat(longestStep: 1_000_000_000) == 10_000_000_000)
    #expect(limits.heartbeat(longestStep: .max) == .max)
  }

  @Test(arguments: [("start", 1000), ("load", 62), ("save", 62), ("end", 62)])
  func workThatSaysNothingHasMoreTime(phase: String, seconds: Int) throws {
    var job = HeardJob(phase: phase, step: nil)
    for rank in [1, 2, 3] { job.recorders[rank].beginWait(for: "an all-gather", missing: [0]) }
    try job.pass(seconds: min(seconds - 2, 100))
    #expect(job.verdict == nil)
    guard seconds < 100 else { return }
    try job.pass(seconds: 3)
    #expect(job.verdict?.rank == 0)
  }

  @Test func aLostMessageIsNamedByItsNumber() throws {
    var job = HeardJob()
    // Rank 1 has sent three messages to rank 3, of which two have come.
    for _ in 0..<3 { job.recorders[1].sent(to: 3, byteCount: 8, tag: 0) }
    for _ in 0..<2 { job.recorders[3].received(from: 1, byteCount: 8, tag: 0) }
    job.recorders[3].beginWait(for: "an all-gather", missing: [1])
    for rank in [0, 1, 2] { job.recorders[rank].beginWait(for: "an all-gather", missing: [3]) }
    try job.pass(seconds: 12)
    #expect(job.verdict == .lost(message: 3, from: 1, to: 3, nanoseconds: 11_000_000_000))
    #expect("\(try #require(job.verdict))".contains("message 3 from rank 1 to rank 3"))
  }

  @Test func ranksThatWaitForEachOtherAreNamed() throws {
    var job = HeardJob(ranks: 3)
    for (rank, missing) in [(0, [1]), (1, [2]), (2, [1])] {
      job.recorders[rank].beginWait(for: "a barrier", missing: missing)
    }
    try job.pass(seconds: 12)
    #expect(job.verdict == .deadlock(missing: 1, nanoseconds: 11_000_000_000))
  }

  @Test func aRankThatHasLeftIsNotMissed() throws {
    var job = HeardJob()
    try job.pass(seconds: 1)
    job.judge.forget(2)
    try job.pass(seconds: 20, without: [2], moving: [0, 1, 3])
    #expect(job.verdict == nil)
  }

  @Test func aWatchThatSleptBlamesNobody() throws {
    var job = HeardJob()
    try job.pass(seconds: 2, moving: [0, 1, 2, 3])
    job.now += 3_600_000_000_000
    job.judge.slept(3_600_000_000_000)
    #expect(job.verdict == nil)
    try job.pass(seconds: 5, moving: [0, 1, 2, 3])
    #expect(job.verdict == nil)
  }
}
