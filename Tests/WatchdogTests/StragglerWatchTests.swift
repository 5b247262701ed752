import FlightRecorder
import Testing
import Watchdog

@Suite struct StragglerWatchTests {
  /// Records of ranks that have computed this long in each of some steps, and waited for the slowest.
  private func records(_ milliseconds: [Int], steps: Int) throws -> [FlightRecord] {
    let longest = milliseconds.max() ?? 0
    return try milliseconds.enumerated().map { rank, time in
      let recorder = FlightRecorder(rank: rank, rankCount: milliseconds.count, hostName: "host\(rank)")
      var record = try FlightRecord(recorder.snapshot())
      record.finishedSteps = steps
      record.stepNanoseconds = UInt64(longest * steps) * 1_000_000
      record.waitedNanoseconds = UInt64((longest - time) * steps) * 1_000_000
      return record
    }
  }

  private func findings(_ watch: inout StragglerWatch, _ milliseconds: [Int], steps: Int) throws
    -> [StragglerWatch.Finding]
  {
    var found: [StragglerWatch.Finding] = []
    for record in try records(milliseconds, steps: steps) { found += watch.heard(record) }
    return found
  }

  @Test func aRankThatComputesLongerIsNamedWithinTwentySteps() throws {
    var watch = StragglerWatch(rankCount: 4)
    #expect(try findings(&watch, [100, 101, 150, 99], steps: 0).isEmpty)
    #expect(try findings(&watch, [100, 101, 150, 99], steps: 19).isEmpty)
    let found = try findings(&watch, [100, 101, 150, 99], steps: 20)
    #expect(found.map(\.rank) == [2] && found[0].steps == 1...20 && abs(found[0].score - 100.0 / 150) < 1e-6)
    #expect("\(found[0])".contains("rank 2 on host host2 is slow"))
  }

  @Test func itIsSaidOnce() throws {
    var watch = StragglerWatch(rankCount: 2)
    for steps in [0, 20] { _ = try findings(&watch, [100, 200], steps: steps) }
    #expect(try findings(&watch, [100, 200], steps: 40).isEmpty)
  }

  @Test(arguments: [[100, 100, 100, 130], [100, 120], [100, 100, 100]]) func ordinaryDifferencesAreNone(times: [Int])
    throws
  {
    var watch = StragglerWatch(rankCount: times.count)
    for steps in stride(from: 0, to: 200, by: 20) { #expect(try findings(&watch, times, steps: steps).isEmpty) }
  }

  @Test func aRankAloneIsNeverSlow() throws {
    var watch = StragglerWatch(rankCount: 1)
    for steps in [0, 20, 40] { #expect(try findings(&watch, [100], steps: steps).isEmpty) }
  }
}
