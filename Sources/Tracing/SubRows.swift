/// Puts intervals that overlap into different rows: each into the first row that is free when it begins.
package enum SubRows {
  /// - Parameter limit: how many rows there may be; what does not fit gets none.
  /// - Returns: each event's row, in the order of `events`.
  /// - Complexity: O(events · (rows + log events))
  package static func assign(_ events: [TraceEvent], limit: Int = .max) -> [Int?] {
    var rows = [Int?](repeating: nil, count: events.count)
    var ends: [Int64] = []
    for index in events.indices.sorted(by: { events[$0].start < events[$1].start }) {
      let event = events[index]
      if let row = ends.firstIndex(where: { $0 <= event.start }) {
        ends[row] = event.end
        rows[index] = row
      } else if ends.count < limit {
        rows[index] = ends.count
        ends.append(event.end)
      }
    }
    return rows
  }
}
