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
  /// Rows in use of each source's in each group. [P][e]
  private let countsPerSource: [[Int]]
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
    // Only this rank's own manifest speaks of shadows, which come behind the hosted experts.
    let expertCount = manifests.map(\.countsPerExpert.count).max() ?? 0
    rowCounts = manifests.map(\.rowCount)
    returnRowCounts = manifests.map(\.returnRowCount)
    assignments = manifests.map { Array($0.assignments) }
    countsPerSource = manifests.map(\.countsPerExpert)
    groupCounts = Array(repeating: 0, count: expertCount)
    for manifest in manifests {
      for (expert, count) in manifest.countsPerExpert.enumerated() { groupCounts[expert] += count }
    }
    for count in groupCounts {
      groupOffsets.append((groupOffsets.last ?? 0) + (count + Self.alignment - 1) / Self.alignment * Self.alignment)
    }
    positions = []
    var next = groupOffsets
    for manifest in manifests {
      var places: [Int32] = []
      places.reserveCapacity(manifest.assignments.count)
      for (expert, count) in manifest.countsPerExpert.enumerated() {
        for _ in 0..<count {
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
  /// How many rows of an expert each source sent. [P]
  package func sourceCounts(_ expert: LocalExpert) -> [Int] {
    countsPerSource.map { $0.indices.contains(expert.index) ? $0[expert.index] : 0 }
  }
  package func group(_ expert: LocalExpert) -> Range<Int> {
    groupOffsets[expert.index]..<groupOffsets[expert.index] + groupCounts[expert.index]
  }
}
