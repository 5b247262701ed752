package import Topology

/// A block of one expert's rows that is computed at once.
package struct RowTask: Hashable, Sendable {
  package let expert: LocalExpert
  /// Among the expert-major rows, the padding behind the last one included.
  package let rows: Range<Int>
}

/// How the experts' rows are cut into tasks.
///
/// Rows that came together are computed together: a cut lies where the rows of one source end, so that no task waits for a
/// message that most of its rows do not need. Cuts are multiples of the groups' alignment; the few rows between a source's
/// end and the cut belong to the later neighbour, except that this rank's own rows, which are always here, take the rows
/// of no other source. A product of few rows is slow, so small pieces are joined, and large ones are divided so that MPI is
/// poked often enough. Cuts change no bits: a row's result does not depend on the rows beside it.
package struct TaskCut: Hashable, Sendable {
  /// Rows of a task at most, rounded down to the alignment; one alignment's rows are always allowed.
  package let largest: Int
  /// Pieces below this are joined with a neighbour.
  package let smallest: Int

  package init(largest: Int, smallest: Int) {
    precondition(largest >= smallest && smallest > 0, "tasks of \(smallest) to \(largest) rows")
    self.largest = largest
    self.smallest = smallest
  }

  /// One piece per expert, as large as products like best: for schedules that wait for all rows anyway.
  package static let whole = TaskCut(largest: 640, smallest: 640)

  /// The tasks of all experts, in order of their rows.
  package func tasks(_ plan: ReceivePlan, own: Rank) -> [RowTask] {
    (0..<plan.expertCount).map(LocalExpert.init).flatMap { expert in
      tasks(of: expert, group: plan.paddedGroup(expert), sourceCounts: plan.sourceCounts(expert), own: own)
    }
  }

  /// The tasks of one expert.
  ///
  /// - Parameters:
  ///   - group: its rows and the padding behind them.
  ///   - sourceCounts: how many of them each source sent. [P]
  package func tasks(of expert: LocalExpert, group: Range<Int>, sourceCounts: [Int], own: Rank) -> [RowTask] {
    join(pieces(of: group, sourceCounts: sourceCounts, own: own.index)).flatMap(divide).map {
      RowTask(expert: expert, rows: $0)
    }
  }

  /// The group cut where sources end.
  private func pieces(of group: Range<Int>, sourceCounts: [Int], own: Int) -> [Range<Int>] {
    var pieces: [Range<Int>] = []
    var start = group.lowerBound
    var end = group.lowerBound
    for (source, count) in sourceCounts.enumerated() where count > 0 {
      end += count
      let isOwnBehind = source != own
      let rounded =
        (end + (isOwnBehind ? ReceivePlan.alignment - 1 : 0)) / ReceivePlan.alignment * ReceivePlan.alignment
      let cut = min(max(rounded, start), group.upperBound)
      if cut > start { pieces.append(start..<cut) }
      start = cut
    }
    if start < group.upperBound { pieces.append(start..<group.upperBound) }
    return pieces
  }

  private func join(_ pieces: [Range<Int>]) -> [Range<Int>] {
    var joined: [Range<Int>] = []
    for piece in pieces {
      if let last = joined.last, min(last.count, piece.count) < smallest {
        joined[joined.count - 1] = last.lowerBound..<piece.upperBound
      } else {
        joined.append(piece)
      }
    }
    return joined
  }

  /// Even parts of at most `largest` rows.
  private func divide(_ piece: Range<Int>) -> [Range<Int>] {
    let granule = ReceivePlan.alignment
    let largestPart = max(1, largest / granule)
    let count = piece.count / granule
    let partition = BlockPartition(count: count, parts: (count + largestPart - 1) / largestPart)
    return (0..<partition.parts).map { part in
      let granules = partition.range(of: part)
      return piece.lowerBound + granules.lowerBound * granule..<piece.lowerBound + granules.upperBound * granule
    }
  }
}
