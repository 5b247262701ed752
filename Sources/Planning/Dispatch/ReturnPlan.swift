package import Topology

/// The sum behind each row that goes back to one source: expert rows in order of the token's choice.
package struct ReturnPlan: Hashable, Sendable {
  /// Where each return row's summands begin. [rows + 1]
  package let offsets: [Int32]
  /// The place of each summand among the experts' rows.
  package let positions: [Int32]

  package init(_ plan: ReceivePlan, source: Rank) {
    let assignments = plan.assignments[source.index]
    let places = plan.positions[source.index]
    var counts = Array(repeating: Int32(0), count: plan.returnRowCounts[source.index] + 1)
    for assignment in assignments { counts[Int(assignment.returnRow) + 1] += 1 }
    for row in 0..<plan.returnRowCounts[source.index] { counts[row + 1] += counts[row] }
    var next = counts
    // Ordered by insertion on the sender's index: within a row that is the order of choice.
    var indices = Array(repeating: Int32(0), count: assignments.count)
    var sorted = Array(repeating: Int32(0), count: assignments.count)
    for (assignment, place) in zip(assignments, places) {
      let row = Int(assignment.returnRow)
      var slot = Int(next[row])
      next[row] += 1
      while slot > Int(counts[row]) && indices[slot - 1] > assignment.index {
        indices[slot] = indices[slot - 1]
        sorted[slot] = sorted[slot - 1]
        slot -= 1
      }
      indices[slot] = assignment.index
      sorted[slot] = place
    }
    offsets = counts
    positions = sorted
  }
}
