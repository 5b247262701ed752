/// Writes traces in the Trace Event Format that Perfetto and chrome://tracing open: a process per rank, in it a thread
/// `compute` and as many threads `messages` as messages overlap. Every event is a complete one ("X") with its times in
/// microseconds since the first event of all ranks.
package struct ChromeTrace: Sendable {
  private let ranks: [RankTrace]
  private let origin: Int64

  package init(_ ranks: [RankTrace]) {
    self.ranks = ranks
    origin = ranks.lazy.flatMap(\.events).map(\.start).min() ?? 0
  }

  /// Hands over the document piece by piece: a trace may be larger than is good for one text.
  package func write<Failure: Error>(to sink: (String) throws(Failure) -> Void) throws(Failure) {
    try sink("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")
    var separator = "\n"
    func put(_ object: String) throws(Failure) {
      try sink(separator + object)
      separator = ",\n"
    }
    for rank in ranks {
      let threads = Self.threads(of: rank.events)
      for object in Self.names(of: rank, threadCount: (threads.max() ?? 0) + 1) { try put(object) }
      for (event, thread) in zip(rank.events, threads) { try put(object(event, rank: rank.rank, thread: thread)) }
    }
    try sink("\n]}\n")
  }

  /// The document as one text.
  package var text: String {
    var text = ""
    write { text += $0 }
    return text
  }

  /// 0 for tasks; messages that overlap have different threads from 1 on.
  private static func threads(of events: [TraceEvent]) -> [Int] {
    let messages = events.indices.filter { events[$0].kind.lane == .message }
    var threads = [Int](repeating: 0, count: events.count)
    for (index, row) in zip(messages, SubRows.assign(messages.map { events[$0] })) { threads[index] = 1 + (row ?? 0) }
    return threads
  }

  private static func names(of rank: RankTrace, threadCount: Int) -> [String] {
    func metadata(_ name: String, thread: Int = 0, _ arguments: String) -> String {
      #"{"ph":"M","name":"\#(name)","pid":\#(rank.rank),"tid":\#(thread),"args":{\#(arguments)}}"#
    }
    var objects = [
      metadata("process_name", #""name":\#(quoted("rank \(rank.rank) (\(rank.host))"))"#),
      metadata("process_sort_index", #""sort_index":\#(rank.rank)"#),
    ]
    if rank.leftOutCount > 0 {
      objects.append(metadata("process_labels", #""labels":"\#(rank.leftOutCount) later events left out""#))
    }
    for thread in 0..<max(threadCount, 2) {
      let name = thread == 0 ? "compute" : thread == 1 ? "messages" : "messages \(thread)"
      objects.append(metadata("thread_name", thread: thread, #""name":"\#(name)""#))
      objects.append(metadata("thread_sort_index", thread: thread, #""sort_index":\#(thread)"#))
    }
    return objects
  }

  private func object(_ event: TraceEvent, rank: Int, thread: Int) -> String {
    let start = Self.microseconds(event.start - origin)
    return #"{"ph":"X","name":"\#(event.kind.rawValue)","cat":"\#(event.kind.lane.rawValue)","pid":\#(rank),"#
      + #""tid":\#(thread),"ts":\#(start),"dur":\#(Self.microseconds(event.duration)),"#
      + #""args":{\#(Self.arguments(event))}}"#
  }

  private static func arguments(_ event: TraceEvent) -> String {
    var fields: [String] = []
    func add(_ name: String, _ value: (some BinaryInteger)?) {
      if let value { fields.append(#""\#(name)":\#(value)"#) }
    }
    add("step", event.site.step)
    add("layer", event.site.layer)
    if let pass = event.site.pass { fields.append(#""pass":"\#(pass.rawValue)""#) }
    if let direction = event.details.direction { fields.append(#""direction":"\#(direction.rawValue)""#) }
    add("peer", event.details.peer)
    add("expert", event.details.expert)
    add("chunk", event.details.chunk)
    add("bytes", event.details.byteCount)
    return fields.joined(separator: ",")
  }

  /// Exact: nanoseconds are the third decimal.
  private static func microseconds(_ nanoseconds: Int64) -> String {
    let (whole, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000)
    return "\(whole).\(String(1_000 + rest).dropFirst())"
  }

  private static func quoted(_ text: String) -> String {
    let escaped = text.unicodeScalars.map { scalar in
      switch scalar {
      case "\"", "\\": "\\\(scalar)"
      case "\u{0}"..<" ": "\\u00" + String(scalar.value + 0x100, radix: 16).dropFirst()
      default: String(scalar)
      }
    }
    return "\"\(escaped.joined())\""
  }
}
