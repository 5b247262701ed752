import Testing
import Tracing

struct TraceSummaryTests {
  private func overlaps(_ events: [TraceEvent]) -> [TraceSite: TraceSummary.Overlap] {
    TraceSummary(events).overlaps(of: { $0.kind == .results }, with: \.kind.isExpertWork)
  }

  @Test func returnsThatFlyWhileExpertsComputeAreSeen() {
    let events = [
      event(.remoteRows, 0, 10, site: forward), event(.results, 10, 25, site: forward),
      event(.results, 12, 18, site: forward), event(.ownRows, 15, 20, site: forward),
      event(.ownRows, 22, 40, site: forward), event(.dispatch, 0, 40, site: forward),
      event(.combining, 10, 15, site: forward),
    ]
    let expected = TraceSummary.Overlap(messageCount: 2, taskCount: 3, earlyMessageCount: 2, duration: 8_000)
    #expect(overlaps(events) == [forward: expected])
  }

  @Test func returnsAfterTheLastTaskDoNotCount() {
    let events = [event(.remoteRows, 0, 10, site: forward), event(.results, 10, 25, site: forward)]
    #expect(overlaps(events) == [forward: .init(messageCount: 1, taskCount: 1, earlyMessageCount: 0, duration: 0)])
  }

  @Test func passesAreToldApart() {
    let events = [event(.ownRows, 0, 10, site: backward), event(.results, 5, 8, site: forward)]
    #expect(
      overlaps(events) == [
        forward: .init(messageCount: 1), backward: .init(taskCount: 1),
      ])
  }

  @Test func messagesThatOverlapEachOtherCountOnce() {
    let events =
      [event(.ownRows, 0, 100, site: forward)]
      + (0..<10).map { event(.results, 10 + $0, 30 + $0, site: forward) }
    #expect(overlaps(events)[forward]?.duration == 29_000)
  }

  @Test func nothingOverlapsInNothing() { #expect(overlaps([event(.dispatch, 0, 5)]).isEmpty) }
}
