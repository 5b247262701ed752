/// Writes down what one rank computes and which of its messages are in flight.
///
/// One thread owns a recorder. Callers hold a `TraceRecorder?`, so that without a trace nothing is measured.
package final class TraceRecorder {
  /// A message in flight. Letting it go unfinished leaves it out of the trace.
  package struct Message: Sendable {
    fileprivate let event: TraceEvent
  }

  /// Where in the run the events that follow belong: set at the beginning of a step and of a layer's pass.
  package var site = TraceSite()
  /// Nanoseconds to add to this rank's clock to have rank 0's.
  package var clockOffset: Int64 = 0
  package private(set) var events: [TraceEvent] = []
  /// How many events came after the limit was reached.
  package private(set) var leftOutCount = 0
  private let limit: Int
  private let clock = SuspendingClock()

  /// - Parameter limit: how many events are kept; later ones are only counted.
  package init(limit: Int = 1_000_000) {
    precondition(limit >= 0, "a trace of \(limit) events")
    self.limit = limit
    events.reserveCapacity(min(limit, 1 << 14))
  }

  /// The host's monotonic clock in nanoseconds. All processes of one host see the same.
  package var now: Int64 {
    let (seconds, attoseconds) = clock.systemEpoch.duration(to: clock.now).components
    return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
  }

  /// Notes a task that began at `start`, a reading of `now`, and is done.
  package func record(_ kind: TraceKind, since start: Int64, _ details: TraceDetails = TraceDetails()) {
    append(TraceEvent(kind, start: start, duration: now - start, site: site, details: details))
  }

  /// Notes that a message has been started. Messages may overlap and end in any order.
  package func begin(_ kind: TraceKind, _ details: TraceDetails = TraceDetails()) -> Message {
    Message(event: TraceEvent(kind, start: now, duration: 0, site: site, details: details))
  }

  /// Notes that a message is done; it belongs to the site at which it began.
  package func end(_ message: Message) {
    var event = message.event
    event.duration = now - event.start
    append(event)
  }

  private func append(_ event: TraceEvent) {
    guard events.count < limit else {
      leftOutCount += 1
      return
    }
    events.append(event)
  }
}
