import FlightRecorder
import Testing
import Watchdog

/// Jobs that ended, as their records tell of it.
@Suite struct FailureReportTests {
  private let ranks = (0..<4).map { FlightRecorder(rank: $0, rankCount: 4, hostName: "host\($0)") }

  private func report() throws -> FailureReport? {
    FailureReport(try ranks.map { try FlightRecord($0.snapshot()) }, rankCount: 4)
  }

  private func text() throws -> String { try #require(try report()).description }

  @Test func aJobThatEndedWellHasNone() throws {
    for rank in ranks { rank.end(.finished, code: 0) }
    #expect(try report() == nil)
  }

  @Test func aSignalIsNamedWithWhereTheRankStood() throws {
    ranks[2].enter("combine", step: 7, layer: 3)
    ranks[2].sent(to: 1, byteCount: 64, tag: 9)
    ranks[2].end(.signal, code: 11)
    ranks[0].beginWait(for: "the exchange of expert rows", missing: [2])
    ranks[0].noteLost(rank: 2)
    let text = try text()
    #expect(try report()?.cause.rank == 2)
    for part in [
      "rank     2 of 4, on host host2", "killed by signal 11, SIGSEGV", "where    combine, step 7, layer 3",
      "sent message 1 to rank 1: 64 bytes, tag 9", "waits in the exchange of expert rows for rank 2", "rank 3: ",
    ] { #expect(text.contains(part), "\(part) is missing: \(text)") }
  }

  @Test func aRankThatIsKilledIsKnownByItsConnection() throws {
    ranks[0].noteLost(rank: 3)
    #expect(try report()?.cause.rank == 3)
    #expect(try text().contains("without a word"))
  }

  /// Hydra ends the others: their connections break later, which makes them no culprits.
  @Test func theFirstThatIsLostIsToBlame() throws {
    ranks[0].noteLost(rank: 3)
    wait(milliseconds: 30)
    ranks[0].noteLost(rank: 1)
    let report = try #require(try report())
    #expect(report.cause.rank == 3)
  }

  /// Whoever says that a peer is lost is not the one that failed.
  @Test func aRankThatMissesAnotherIsNotToBlame() throws {
    ranks[1].end(.error, code: 75, text: "MPI_Isend_c failed")
    ranks[0].noteLost(rank: 2)
    ranks[2].end(.signal, code: 6)
    #expect(try report()?.cause.rank == 2)
  }

  @Test func theRankThatAllOthersMissAndThatDoesNotWaitIsToBlame() throws {
    ranks[2].enter("backward", step: 2, layer: 3)
    for (rank, missing) in [(0, [1, 2, 3]), (1, [0, 2]), (3, [2])] {
      ranks[rank].beginWait(for: "the exchange of expert rows", missing: missing)
    }
    ranks[3].end(.error, code: 75, text: "no message arrived for 2.0 seconds")
    let report = try #require(try report())
    #expect(report.cause.rank == 2 && report.description.contains("in vain: ended with an error (exit code 75)"))
    // Where each waits for another, the first that complains is named.
    ranks[2].beginWait(for: "the exchange of expert rows", missing: [3])
    #expect(try self.report()?.cause.rank == 3)
  }

  @Test func theVerdictOfTheWatchCounts() throws {
    ranks[0].end(.error, code: 75, text: "rank 1 has given no sign of life for 11.0 s", blamed: 1)
    let report = try #require(try report())
    #expect(report.cause.rank == 1 && report.description.contains("no sign of life"))
  }

  @Test func anErrorOfOneRankIsTold() throws {
    ranks[3].end(.error, code: 76, text: "the manifest of rank 1 is refused")
    wait(milliseconds: 30)
    ranks[0].noteLost(rank: 1)
    #expect(try report()?.cause.rank == 3)
    #expect(try text().contains("exit code 76): the manifest of rank 1 is refused"))
  }

  @Test func anUnexpectedExitIsTold() throws {
    ranks[1].end(.exit, code: 3)
    #expect(try text().contains("left the job by exit(3)"))
  }

  @Test func aRefusalOfAllIsNoRanksFault() throws {
    for rank in ranks { rank.end(.finished, code: 66, text: "corpus: there is no such file") }
    let report = try #require(try report())
    #expect(report.cause.rank == nil && report.description.contains("exit code 66: corpus"))
  }

  @Test func aJobWithoutAnyWordSaysSo() throws {
    #expect(try text().contains("no rank has left a word"))
    #expect(
      FailureReport([try FlightRecord(ranks[0].snapshot())], rankCount: 4)?.description.contains("no record") == true)
  }

  @Test func theStepIsTheNewestOfAnyRank() throws {
    ranks[1].enter("forward", step: 4, layer: 0)
    ranks[2].enter("forward", step: 5, layer: 0)
    #expect(try report()?.step == 5)
  }

  private func wait(milliseconds: UInt64) {
    let start = monotonicNanoseconds()
    while monotonicNanoseconds() - start < milliseconds * 1_000_000 {}
  }
}
