import Tracing

/// Events for tests, in microseconds.
func event(
  _ kind: TraceKind, _ start: Int64, _ end: Int64, site: TraceSite = TraceSite(), details: TraceDetails = TraceDetails()
) -> TraceEvent {
  TraceEvent(kind, start: start * 1_000, duration: (end - start) * 1_000, site: site, details: details)
}

let forward = TraceSite(step: 2, layer: 1, pass: .forward)
let backward = TraceSite(step: 2, layer: 1, pass: .backward)

/// Every kind of event, with and without each detail.
let variousEvents: [TraceEvent] = TraceKind.allCases.enumerated().map { index, kind in
  let number = Int32(index)
  return event(
    kind, Int64(index) * 10 - 20, Int64(index) * 11, site: index % 2 == 0 ? backward : TraceSite(layer: number),
    details: TraceDetails(
      direction: index % 3 == 0 ? nil : index % 3 == 1 ? .sent : .received, peer: index % 2 == 0 ? number : nil,
      expert: index % 4 == 0 ? number : nil, chunk: index % 5 == 0 ? number : nil,
      byteCount: index % 2 == 1 ? 1 << 40 : nil))
}
