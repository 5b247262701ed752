package import Topology

/// Where each row of one source belongs among the experts' rows: a row has a place for each of its experts here.
package struct ArrivalPlan: Hashable, Sendable {
  /// Where each row's places begin. [rows + 1]
  package let offsets: [Int32]
  /// Places among the experts' rows, row after row.
  package let places: [Int32]

  package init(_ plan: ReceivePlan, source: Rank) {
    let assignments = plan.assignments[source.index]
    var counts = Array(repeating: Int32(0), count: plan.rowCounts[source.index] + 1)
    for assignment in assignments { counts[Int(assignment.row) + 1] += 1 }
    for row in 0..<plan.rowCounts[source.index] { counts[row + 1] += counts[row] }
    var next = counts
    var places = Array(repeating: Int32(0), count: assignments.count)
    for (assignment, place) in zip(assignments, plan.positions[source.index]) {
      places[Int(next[Int(assignment.row)])] = place
      next[Int(assignment.row)] += 1
    }
    offsets = counts
    self.places = places
  }
}
