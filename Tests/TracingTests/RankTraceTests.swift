import Testing
import Tracing

struct RankTraceTests {
  private let trace = RankTrace(rank: 3, host: "alpha", events: variousEvents, leftOutCount: 7)

  @Test func eventsSurviveTheJourneyToAnotherRank() throws {
    #expect(try RankTrace(rank: 3, host: "alpha", decoding: trace.encoded) == trace)
    let empty = RankTrace(rank: 0, host: "", events: [])
    #expect(try RankTrace(rank: 0, host: "", decoding: empty.encoded) == empty)
  }

  @Test func bytesThatWereCutOrLengthenedAreRefused() {
    let bytes = trace.encoded
    for count in 0..<bytes.count { expectError(Array(bytes.prefix(count))) }
    expectError(bytes + [0])
  }

  @Test(arguments: [(8, UInt8.max), (15, 0x80), (16, 99), (16, .max), (17, 2), (18, 2), (34, 0x80), (26, 0x7f)])
  func numbersThatMeanNothingAreRefused(place: Int, byte: UInt8) {
    var bytes = trace.encoded
    bytes[place] = byte
    expectError(bytes)
  }

  @Test func aHugeCountIsNotMultiplied() {
    expectError([UInt8](repeating: 0, count: 8) + [0, 0, 0, 0, 0, 0, 0, 0x7f])
  }

  @Test func theClockOffsetMovesEveryEvent() {
    let recorder = TraceRecorder()
    recorder.end(recorder.begin(.dispatch))
    recorder.clockOffset = -1_000_000
    let moved = RankTrace(recorder, rank: 0, host: "alpha")
    #expect(moved.events.map(\.start) == recorder.events.map { $0.start - 1_000_000 })
    #expect(moved.events.map(\.duration) == recorder.events.map(\.duration))
  }

  private func expectError(_ bytes: [UInt8], location: SourceLocation = #_sourceLocation) {
    #expect(throws: TraceError.self, sourceLocation: location) {
      try RankTrace(rank: 0, host: "alpha", decoding: bytes)
    }
  }
}
