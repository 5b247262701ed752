/// Where in a run something happens.
package struct TraceSite: Hashable, Sendable {
  package enum Pass: String, Hashable, Sendable, CaseIterable { case forward, backward }

  package var step: Int32?
  package var layer: Int32?
  package var pass: Pass?

  package init(step: Int32? = nil, layer: Int32? = nil, pass: Pass? = nil) {
    self.step = step
    self.layer = layer
    self.pass = pass
  }
}

/// What one event is about, as far as it is known.
package struct TraceDetails: Hashable, Sendable {
  package enum Direction: String, Hashable, Sendable, CaseIterable { case sent, received }

  package var direction: Direction?
  /// The other end of a message, or the rank whose rows are worked on; numbered as in the whole job.
  package var peer: Int32?
  package var expert: Int32?
  package var chunk: Int32?
  package var byteCount: Int64?

  package init(
    direction: Direction? = nil, peer: Int32? = nil, expert: Int32? = nil, chunk: Int32? = nil, byteCount: Int64? = nil
  ) {
    self.direction = direction
    self.peer = peer
    self.expert = expert
    self.chunk = chunk
    self.byteCount = byteCount
  }
}

/// A task that ran, or a message that was in flight.
package struct TraceEvent: Hashable, Sendable {
  package var kind: TraceKind
  /// Nanoseconds of the rank's clock; a `Trace` has all ranks' on one clock.
  package var start: Int64
  package var duration: Int64
  package var site: TraceSite
  package var details: TraceDetails

  package init(
    _ kind: TraceKind, start: Int64, duration: Int64, site: TraceSite = TraceSite(),
    details: TraceDetails = TraceDetails()
  ) {
    self.kind = kind
    self.start = start
    self.duration = duration
    self.site = site
    self.details = details
  }

  package var end: Int64 { start + duration }
  package var interval: Range<Int64> { start..<end }
}
