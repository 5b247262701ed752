import Checkpoints
package import Communication
package import Tracing

/// Reads a trace in the Trace Event Format: the events that `--trace` writes; others in the file are passed over.
package struct TraceReader {
  /// What is larger takes more memory than a picture is worth.
  private static let fileSizeLimit = 256 << 20
  private static let rankLimit = 1 << 20
  /// Eleven days; sums and differences of such times are exact and do not overflow.
  private static let microsecondLimit = 1e12

  private let path: String
  private var hosts: [Int: String] = [:]
  private var events: [Int: [TraceEvent]] = [:]

  static func read(_ path: String) throws -> [RankTrace] {
    try read(try LocalFileSystem().contents(of: path, limit: fileSizeLimit), path: path)
  }

  /// Reads a file's content.
  package static func read(_ bytes: [UInt8], path: String) throws(Refusal) -> [RankTrace] {
    var reader = TraceReader(path: path)
    try reader.take(try reader.objects(of: bytes))
    guard !reader.events.isEmpty else { throw reader.refusal("there are no tasks and no messages of ranks in it") }
    return reader.ranks
  }

  private init(path: String) { self.path = path }

  private var ranks: [RankTrace] {
    events.sorted { $0.key < $1.key }.map { RankTrace(rank: $0.key, host: hosts[$0.key] ?? "", events: $0.value) }
  }

  private func refusal(_ reason: String) -> Refusal {
    Refusal(.invalidData, "\(path): \(reason); give a file that --trace wrote")
  }

  private func objects(of bytes: [UInt8]) throws(Refusal) -> [JSONValue] {
    let document: JSONValue
    do {
      document = try JSONReader.parse(bytes)
    } catch {
      throw refusal("this is no JSON: \(error)")
    }
    // The format also allows the events without the object around them.
    guard let objects = document.object?["traceEvents"]?.array ?? document.array else {
      throw refusal("there is no list 'traceEvents'")
    }
    return objects
  }

  private mutating func take(_ objects: [JSONValue]) throws(Refusal) {
    for (number, value) in objects.enumerated() {
      do throws(InvalidEvent) {
        guard let object = value.object else { throw InvalidEvent("is no object") }
        try take(TraceObject(members: object))
      } catch {
        throw refusal("event \(number) \(error.reason)")
      }
    }
  }

  private mutating func take(_ object: TraceObject) throws(InvalidEvent) {
    switch try object.text("ph") {
    case "M":
      guard try object.text("name") == "process_name" else { return }
      hosts[try object.rank(limit: Self.rankLimit)] = Self.host(try object.arguments.text("name"))
    case "X":
      guard let event = try object.event(microsecondLimit: Self.microsecondLimit) else { return }
      events[try object.rank(limit: Self.rankLimit), default: []].append(event)
    default: break
    }
  }

  /// `rank 3 (alpha)` → `alpha`; any other name is shown as it is.
  private static func host(_ processName: String) -> String {
    guard processName.hasPrefix("rank "), processName.hasSuffix(")"), let open = processName.firstIndex(of: "(") else {
      return processName
    }
    return String(processName[processName.index(after: open)...].dropLast())
  }
}

/// What is wrong with an event, as the end of a sentence.
private struct InvalidEvent: Error {
  let reason: String
  init(_ reason: String) { self.reason = reason }
}

/// One object of the file, its members looked at only as far as they are needed.
private struct TraceObject {
  let members: [String: JSONValue]

  func text(_ name: String) throws(InvalidEvent) -> String {
    guard let text = members[name]?.string else { throw InvalidEvent("has no text '\(name)'") }
    return text
  }

  var arguments: TraceObject {
    get throws(InvalidEvent) {
      guard let arguments = members["args"] else { return TraceObject(members: [:]) }
      guard let object = arguments.object else { throw InvalidEvent("has 'args' that are no object") }
      return TraceObject(members: object)
    }
  }

  func rank(limit: Int) throws(InvalidEvent) -> Int {
    guard let rank = members["pid"]?.integer, (0..<limit).contains(rank) else {
      throw InvalidEvent("has no 'pid' that is a rank")
    }
    return rank
  }

  /// A complete event; nil if it is in none of the categories that ranks write.
  func event(microsecondLimit: Double) throws(InvalidEvent) -> TraceEvent? {
    guard let lane = members["cat"]?.string.flatMap(TraceKind.Lane.init) else { return nil }
    let start = try nanoseconds("ts", within: -microsecondLimit...microsecondLimit)
    let duration = try nanoseconds("dur", within: 0...microsecondLimit)
    let arguments = try arguments
    return TraceEvent(
      try kind(in: lane), start: start, duration: duration, site: try arguments.site, details: try arguments.details)
  }

  private func kind(in lane: TraceKind.Lane) throws(InvalidEvent) -> TraceKind {
    if let kind = TraceKind(rawValue: try text("name")), kind.lane == lane { return kind }
    return lane == .compute ? .otherWork : .otherMessage
  }

  private func nanoseconds(_ name: String, within limits: ClosedRange<Double>) throws(InvalidEvent) -> Int64 {
    guard let microseconds = members[name]?.double, limits.contains(microseconds) else {
      throw InvalidEvent("has no time '\(name)' that can be")
    }
    return Int64((microseconds * 1_000).rounded())
  }

  private func number<Value: FixedWidthInteger>(_ name: String) throws(InvalidEvent) -> Value? {
    guard let value = members[name] else { return nil }
    guard let number = value.integer.flatMap({ Value(exactly: $0) }) else {
      throw InvalidEvent("has no '\(name)' that can be")
    }
    return number
  }

  private func choice<Value: RawRepresentable<String>>(_ name: String) throws(InvalidEvent) -> Value? {
    guard let value = members[name] else { return nil }
    guard let choice = value.string.flatMap(Value.init(rawValue:)) else {
      throw InvalidEvent("has no '\(name)' that can be")
    }
    return choice
  }

  private var site: TraceSite {
    get throws(InvalidEvent) {
      TraceSite(step: try number("step"), layer: try number("layer"), pass: try choice("pass"))
    }
  }

  private var details: TraceDetails {
    get throws(InvalidEvent) {
      TraceDetails(
        direction: try choice("direction"), peer: try number("peer"), expert: try number("expert"),
        chunk: try number("chunk"), byteCount: try number("bytes"))
    }
  }
}
