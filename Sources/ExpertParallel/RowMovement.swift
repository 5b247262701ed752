import Communication
import Kernels
import Planning
import Tensors
import Topology

// Rows between their three homes: a rank's tokens [T, D], messages [rows, D], and expert-major order [R, D].
// Forward moves x and sums y by the gate weights; backward moves dOut and sums dx with weight 1.

extension ExpertRuntime {
  func exchange(
    _ kind: RowExchange.Kind, _ sequence: Int32, counts: [Int], width: Int
  ) throws(CommunicationError) -> RowExchange {
    try RowExchange(
      kind, sequence: sequence, counts: counts, width: width, chunkRows: chunkRows, group: group, workspace: workspace)
  }

  /// Packs and sends the rows of every peer, the next rank's first so that not all ranks begin with the same one.
  func sendRows(of tokens: Tensor, _ plan: DispatchPlan, through exchange: RowExchange) throws(CommunicationError) {
    for step in 1..<max(group.size, 1) {
      let peer = Rank((group.rank.index + step) % group.size)
      let sources = Array(plan.tokenOfRow[plan.rows(to: peer)])
      let rows = workspace.tensor(sources.count, tokens.columns)
      copyRows(tokens, sources: sources, into: rows, targets: Array(0..<Int32(sources.count)), workers: workers)
      try exchange.send(rows, to: peer.index)
    }
  }

  /// Copies the rows of this rank's own experts straight from its tokens.
  func placeOwnRows(of tokens: Tensor, _ plan: DispatchPlan, _ received: ReceivePlan, in expertRows: Tensor) {
    let first = plan.rows(to: plan.rank).lowerBound
    let own = plan.rank.index
    let sources = received.assignments[own].map { plan.tokenOfRow[first + Int($0.row)] }
    copyRows(tokens, sources: sources, into: expertRows, targets: received.positions[own], workers: workers)
  }

  /// Copies the rows that a source sent to their experts.
  func place(_ rows: Tensor, of source: Int, _ received: ReceivePlan, in expertRows: Tensor) {
    copyRows(
      rows, sources: received.assignments[source].map(\.row), into: expertRows, targets: received.positions[source],
      workers: workers)
  }

  /// Sums the rows that go back to a source and sends them.
  func sendSums(
    of expertRows: Tensor, weights: Tensor?, _ received: ReceivePlan, to source: Int, through exchange: RowExchange
  ) throws(CommunicationError) {
    let plan = ReturnPlan(received, source: Rank(source))
    let rows = workspace.tensor(received.returnRowCounts[source], expertRows.columns)
    let parts = plan.positions.map {
      WeightedRow(table: 0, row: $0, weight: weights?[Int($0), 0] ?? 1)
    }
    sumRows(parts, offsets: plan.offsets, tables: [expertRows], into: rows, workers: workers)
    try exchange.send(rows, to: source)
  }

  /// Sums each token's parts, in order of choice: own experts' rows and those that came back.
  func sumParts(
    of plan: DispatchPlan, _ received: ReceivePlan, own expertRows: Tensor, weights: Tensor?, returned: RowExchange,
    into output: Tensor
  ) {
    let own = plan.rank
    let first = plan.assignments(of: own).lowerBound
    let parts = plan.parts.map { part in
      guard part.peer == Int32(own.index) else {
        return WeightedRow(table: Int(part.peer) + 1, row: part.index, weight: 1)
      }
      let place = received.positions[own.index][Int(part.index) - first]
      return WeightedRow(table: 0, row: place, weight: weights?[Int(place), 0] ?? 1)
    }
    sumRows(
      parts, offsets: plan.partOffsets, tables: [expertRows] + returned.received, into: output, workers: workers)
  }
}

extension ReceivePlan {
  /// Zeroes the rows between the groups, so that they add nothing to weight gradients.
  func clearPadding(of expertRows: Tensor) {
    for expert in 0..<expertCount {
      let used = group(LocalExpert(expert)).upperBound
      expertRows[rows: used..<paddedGroup(LocalExpert(expert)).upperBound].fill(0)
    }
  }

  /// Writes the gate weight of every row; padding gets none.
  func placeWeights(in weights: Tensor) {
    weights.fill(0)
    for (assignments, places) in zip(assignments, positions) {
      for (assignment, place) in zip(assignments, places) { weights[Int(place), 0] = assignment.weight }
    }
  }
}
