import Checkpoints
import Testing
import Tracing

struct ChromeTraceTests {
  @Test func namesRanksAndThreads() throws {
    let ranks = [
      RankTrace(rank: 0, host: "alpha", events: [event(.ownRows, 0, 5)]),
      RankTrace(rank: 1, host: "be\"ta\\\n", events: [event(.dispatch, 0, 5), event(.results, 3, 6)], leftOutCount: 4),
    ]
    let metadata = try objects(ranks).filter { $0["ph"] == "M" }
    let names = metadata.filter { $0["name"] == "process_name" }.map { $0["args"]?.object?["name"] }
    #expect(names == ["rank 0 (alpha)", "rank 1 (be\"ta\\\n)"])
    let threads = metadata.filter { $0["name"] == "thread_name" && $0["pid"] == 1 }
    #expect(threads.map { $0["args"]?.object?["name"] } == ["compute", "messages", "messages 2"])
    #expect(threads.map { $0["tid"]?.integer } == [0, 1, 2])
    let labels = metadata.filter { $0["name"] == "process_labels" }
    #expect(labels == [["ph": "M", "name": "process_labels", "pid": 1, "tid": 0, "args": ["labels": leftOut]]])
  }

  private let leftOut: JSONValue = "4 later events left out"

  @Test func anEventHasItsTimesAndArguments() throws {
    let details = TraceDetails(direction: .sent, peer: 1, expert: 5, chunk: 2, byteCount: 4096)
    let early = event(.ownRows, 7, 8)
    let message = TraceEvent(.results, start: 8_500, duration: 1_250, site: backward, details: details)
    let events = try objects([
      RankTrace(rank: 1, host: "alpha", events: [message]), RankTrace(rank: 2, host: "alpha", events: [early]),
    ]).filter { $0["ph"] == "X" }
    let arguments: JSONValue = [
      "step": 2, "layer": 1, "pass": "backward", "direction": "sent", "peer": 1, "expert": 5, "chunk": 2, "bytes": 4096,
    ]
    #expect(
      events == [
        [
          "ph": "X", "name": "results", "cat": "message", "pid": 1, "tid": 1, "ts": .number(1.5), "dur": .number(1.25),
          "args": arguments,
        ],
        [
          "ph": "X", "name": "own rows", "cat": "compute", "pid": 2, "tid": 0, "ts": .number(0), "dur": .number(1),
          "args": [:],
        ],
      ])
  }

  @Test func messagesOfOneThreadDoNotOverlap() throws {
    let messages = (0..<200).map { number in
      let start = Int64(number * 37 % 500)
      return event(.dispatch, start, start + Int64(number * 23 % 40))
    }
    let events = try objects([RankTrace(rank: 0, host: "alpha", events: messages)]).filter { $0["ph"] == "X" }
    #expect(events.count == messages.count)
    for thread in Dictionary(grouping: events, by: { $0["tid"]?.integer }).values {
      let times = try thread.map { event in
        let start = try #require(event["ts"]?.double)
        return (start, start + (try #require(event["dur"]?.double)))
      }.sorted { $0 < $1 }
      for (first, second) in zip(times, times.dropFirst()) { #expect(first.1 <= second.0) }
    }
  }

  @Test func aTraceWithoutEventsIsValid() throws {
    #expect(try objects([]).isEmpty)
    #expect(try objects([RankTrace(rank: 0, host: "alpha", events: [])]).allSatisfy { $0["ph"] == "M" })
  }

  private func objects(_ ranks: [RankTrace]) throws -> [[String: JSONValue]] {
    let document = try JSONReader.parse(Array(ChromeTrace(ranks).text.utf8))
    return try #require(document.object?["traceEvents"]?.array).map { try #require($0.object) }
  }
}
