/// What one rank recorded.
package struct RankTrace: Hashable, Sendable {
  package let rank: Int
  package let host: String
  package let events: [TraceEvent]
  /// How many events came after the recorder's limit.
  package let leftOutCount: Int

  package init(rank: Int, host: String, events: [TraceEvent], leftOutCount: Int = 0) {
    self.rank = rank
    self.host = host
    self.events = events
    self.leftOutCount = leftOutCount
  }

  /// What a recorder has noted so far, on rank 0's clock.
  package init(_ recorder: TraceRecorder, rank: Int, host: String) {
    let events = recorder.events.map { event in
      var event = event
      event.start &+= recorder.clockOffset
      return event
    }
    self.init(rank: rank, host: host, events: events, leftOutCount: recorder.leftOutCount)
  }
}

/// Bytes that are no encoded events.
package struct TraceError: Error, Hashable, Sendable, CustomStringConvertible {
  package let description: String
}

// MARK: - The form in which events travel to the rank that writes them

// All numbers little-endian: how many events were left out and how many follow, then of each event the kind, pass and
// direction (a byte each, places in their lists of cases), start, duration and bytes (8 each), step, layer, peer, expert
// and chunk (4 each). The smallest number of a type stands for none.

extension RankTrace {
  private static let headerSize = 16
  private static let eventSize = 3 + 3 * 8 + 5 * 4
  /// Beyond 36 years either way a time is nonsense; sums of a few such times do not overflow.
  private static let timeLimit: Int64 = 1 << 60

  /// The events; rank and host are known to who receives them.
  package var encoded: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.headerSize + events.count * Self.eventSize)
    bytes.append(Int64(leftOutCount))
    bytes.append(Int64(events.count))
    for event in events { bytes.append(event) }
    return bytes
  }

  /// Reads what another rank encoded.
  package init(rank: Int, host: String, decoding bytes: [UInt8]) throws(TraceError) {
    var reader = ByteReader(bytes: bytes)
    guard let leftOutCount = reader.integer(Int64.self), leftOutCount >= 0,
      let count = reader.integer(Int64.self), count >= 0, count <= bytes.count / Self.eventSize,
      Self.headerSize + Int(count) * Self.eventSize == bytes.count
    else { throw TraceError(description: "\(bytes.count) bytes are no trace of a rank") }
    var events: [TraceEvent] = []
    events.reserveCapacity(Int(count))
    for number in 0..<count {
      guard let event = reader.event(), (0...Self.timeLimit).contains(event.duration),
        (-Self.timeLimit...Self.timeLimit).contains(event.start)
      else { throw TraceError(description: "event \(number) of a rank's trace is not one") }
      events.append(event)
    }
    self.init(rank: rank, host: host, events: events, leftOutCount: Int(leftOutCount))
  }
}

extension [UInt8] {
  fileprivate mutating func append(_ value: some FixedWidthInteger) {
    for shift in stride(from: 0, to: value.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> shift)) }
  }

  fileprivate mutating func append<Value: CaseIterable & Equatable>(_ value: Value?) {
    let place = value.flatMap { value in Value.allCases.enumerated().first { $0.element == value }?.offset }
    append(place.map(UInt8.init) ?? .max)
  }

  fileprivate mutating func append(_ event: TraceEvent) {
    append(event.kind)
    append(event.site.pass)
    append(event.details.direction)
    append(event.start)
    append(event.duration)
    append(event.details.byteCount ?? .min)
    append(event.site.step ?? .min)
    append(event.site.layer ?? .min)
    append(event.details.peer ?? .min)
    append(event.details.expert ?? .min)
    append(event.details.chunk ?? .min)
  }
}

/// Takes numbers from bytes; nil where there are too few or a number has no meaning.
private struct ByteReader {
  let bytes: [UInt8]
  private var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) -> Value? {
    let size = Value.bitWidth / 8
    guard bytes.count - position >= size else { return nil }
    defer { position += size }
    return (0..<size).reduce(0) { $0 | Value(truncatingIfNeeded: bytes[position + $1]) << ($1 * 8) }
  }

  /// A number that may be absent: the outer nil is for bytes that are missing.
  private mutating func optional<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) -> Value?? {
    integer(Value.self).map { $0 == .min ? nil : $0 }
  }

  private mutating func optional<Value: CaseIterable>(_ type: Value.Type) -> Value?? {
    guard let place = integer(UInt8.self) else { return nil }
    guard place != .max else { return .some(nil) }
    // Nothing in the list is no value, not the absence of one.
    return Value.allCases.dropFirst(Int(place)).first.map { .some($0) }
  }

  mutating func event() -> TraceEvent? {
    guard let kind = optional(TraceKind.self) ?? nil, let pass = optional(TraceSite.Pass.self),
      let direction = optional(TraceDetails.Direction.self), let start = integer(Int64.self),
      let duration = integer(Int64.self), let byteCount = optional(Int64.self), let step = optional(Int32.self),
      let layer = optional(Int32.self), let peer = optional(Int32.self), let expert = optional(Int32.self),
      let chunk = optional(Int32.self)
    else { return nil }
    return TraceEvent(
      kind, start: start, duration: duration, site: TraceSite(step: step, layer: layer, pass: pass),
      details: TraceDetails(direction: direction, peer: peer, expert: expert, chunk: chunk, byteCount: byteCount))
  }
}
