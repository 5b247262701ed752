package import Topology

/// What a rank computes for its peers: where every assignment it was sent lies among its experts' rows.
///
/// The experts' rows are *expert-major*: one group per hosted expert, inside it by (source rank, token). Ranks hold
/// consecutive sequences, so this is the order of tokens in the whole batch however many ranks there are, and an
/// expert's gradient has the same bits at any number of ranks. Groups start at multiples of `alignment` rows; the rows
/// between stay zero, so that weight gradients can be summed over a rounded number of rows and few shapes occur.
package struct ReceivePlan: Hashable, Sendable {
  package static let alignment = 16

  /// Where each hosted expert's group begins, a multiple of `alignment`. [e + 1]
  package private(set) var groupOffsets: [Int] = [0]
  /// Rows in use in each group. [e]
  package private(set) var groupCounts: [Int]
  /// Rows sent by each source. [P]
  package let rowCounts: [Int]
  /// Rows that go back to each source. [P]
  package let returnRowCounts: [Int]
  /// For each source, the places of its assignments among the experts' rows, in the order of its manifest. [P][A]
  package private(set) var positions: [[Int32]]
  /// For each source, what its assignments say. [P][A]
  package let assignments: [[DispatchPlan.Assignment]]

  /// - Parameter manifests: one per source rank, in order, this rank's own included.
  package init(_ manifests: [DispatchManifest]) {
    let hostedCount = manifests.first?.countsPerExpert.count ?? 0
    rowCounts = manifests.map(\.rowCount)
    returnRowCounts = manifests.map(\.returnRowCount)
    assignments = manifests.map { Array($0.assignments) }
    groupCounts = (0..<hostedCount).map { expert in manifests.reduce(0) { $0 + $1.countsPerExpert[expert] } }
    for count in groupCounts {
      groupOffsets.append((groupOffsets.last ?? 0) + (count + Self.alignment - 1) / Self.alignment * Self.alignment)
    }
    positions = []
    var next = groupOffsets
    for manifest in manifests {
      var places: [Int32] = []
      places.reserveCapacity(manifest.assignments.count)
      for expert in 0..<hostedCount {
        for _ in 0..<manifest.countsPerExpert[expert] {
          places.append(Int32(next[expert]))
          next[expert] += 1
        }
      }
      positions.append(places)
    }
  }

  package var expertCount: Int { groupCounts.count }
  /// Rows of the expert-major layout, padding included.
  package var paddedRowCount: Int { groupOffsets[expertCount] }
  /// A group and the padding behind it.
  package func paddedGroup(_ expert: LocalExpert) -> Range<Int> {
    groupOffsets[expert.index]..<groupOffsets[expert.index + 1]
  }
  package func group(_ expert: LocalExpert) -> Range<Int> {
    groupOffsets[expert.index]..<groupOffsets[expert.index] + groupCounts[expert.index]
  }
}

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
