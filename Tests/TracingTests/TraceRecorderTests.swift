import Testing
import Tracing

struct TraceRecorderTests {
  @Test func aTaskHasItsSiteAndItsTime() throws {
    let recorder = TraceRecorder()
    recorder.site = forward
    let start = recorder.now
    let details = TraceDetails(peer: 1, expert: 4)
    recorder.record(.remoteRows, since: start, details)
    let end = recorder.now
    let event = try #require(recorder.events.first)
    #expect(event.kind == .remoteRows && event.site == forward && event.details == details)
    #expect(event.start == start && event.duration >= 0 && event.end <= end)
  }

  @Test func messagesOverlapAndKeepTheSiteOfTheirBeginning() {
    let recorder = TraceRecorder()
    recorder.site = forward
    let first = recorder.begin(.dispatch, TraceDetails(peer: 1))
    let second = recorder.begin(.results, TraceDetails(peer: 2))
    recorder.site = backward
    recorder.end(first)
    recorder.end(second)
    #expect(recorder.events.map(\.kind) == [.dispatch, .results])
    #expect(recorder.events.map(\.site) == [forward, forward])
    #expect(recorder.events[0].end >= recorder.events[1].start)
  }

  @Test func whatComesAfterTheLimitIsCounted() {
    let recorder = TraceRecorder(limit: 3)
    for expert in 0..<5 { recorder.record(.ownRows, since: recorder.now, TraceDetails(expert: Int32(expert))) }
    #expect(recorder.events.map(\.details.expert) == [0, 1, 2])
    #expect(recorder.leftOutCount == 2)
  }

  @Test func itsClockRuns() async throws {
    let recorder = TraceRecorder()
    let start = recorder.now
    try await Task.sleep(for: .milliseconds(20))
    #expect(recorder.now - start >= 20_000_000)
  }
}
