/// Something that happens in a simulation, at a time.
struct SimulatedEvent: Sendable {
  enum Kind: UInt8 {
    /// A rank's tasks are done.
    case computed
    /// The first byte of a message is at the link into the target's host.
    case reachedHost
    /// A message is there.
    case delivered
  }

  let time: Double
  let source: Int32
  let target: Int32
  let byteCount: Float
  let kind: Kind
  let isResult: Bool
}

/// Events by time: a heap whose nodes have four children, so that it is shallow and a node's children share a cache line or
/// two. Events of equal times come in an order that depends on the pushes alone.
struct EventQueue {
  private var events: [SimulatedEvent] = []

  var isEmpty: Bool { events.isEmpty }

  mutating func push(_ event: SimulatedEvent) {
    var place = events.count
    events.append(event)
    while place > 0 {
      let parent = (place - 1) / 4
      guard event.time < events[parent].time else { break }
      events[place] = events[parent]
      place = parent
    }
    events[place] = event
  }

  mutating func pop() -> SimulatedEvent? {
    guard let first = events.first, let last = events.popLast() else { return nil }
    if !events.isEmpty { sink(last) }
    return first
  }

  /// Puts an event in the place of the first.
  private mutating func sink(_ event: SimulatedEvent) {
    let count = events.count
    var place = 0
    while true {
      let firstChild = 4 * place + 1
      guard firstChild < count else { break }
      var least = firstChild
      var child = firstChild + 1
      while child < min(firstChild + 4, count) {
        if events[child].time < events[least].time { least = child }
        child += 1
      }
      guard events[least].time < event.time else { break }
      events[place] = events[least]
      place = least
    }
    events[place] = event
  }
}
