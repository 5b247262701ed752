import Kernels
import Planning
import Tensors
import Topology

/// The sums at home: out[t] = Σ over t's parts, in order of choice. A token is summed as soon as its parts are here.
struct ResultSums {
  private let plan: DispatchPlan
  private let parts: [WeightedRow]
  private let tables: [Tensor]
  private let out: Tensor
  /// What each token waits for: the rows that come back to it, and this rank's own results. [T]
  private var missing: [Int32]

  /// - Parameters:
  ///   - own: the results of this rank's experts, in expert-major order.
  ///   - weights: of own rows; nil counts as 1. Rows that come back are weighted already.
  ///   - returned: the rows of each peer.
  init(_ plan: ExchangePlan, own expertRows: Tensor, weights: Tensor?, returned: [Tensor], into out: Tensor) {
    self.plan = plan.dispatch
    self.out = out
    let own = plan.own
    let first = plan.dispatch.assignments(of: own).lowerBound
    let places = plan.received.positions[own.index]
    parts = plan.dispatch.parts.map { part in
      guard part.peer == Int32(own.index) else {
        return WeightedRow(table: Int(part.peer) + 1, row: part.index, weight: 1)
      }
      let place = places[Int(part.index) - first]
      return WeightedRow(table: 0, row: place, weight: weights?[Int(place), 0] ?? 1)
    }
    tables = [expertRows] + returned
    missing = Array(repeating: 1, count: plan.dispatch.tokenCount)
    for tokens in plan.dispatch.tokenOfReturnRow.enumerated() where tokens.offset != own.index {
      for token in tokens.element { missing[Int(token)] += 1 }
    }
  }

  /// This rank's own experts are done.
  mutating func noteOwn(workers: WorkerPool) { settle(0..<Int32(missing.count), workers) }

  /// Rows of a peer are back.
  mutating func noteReturned(_ peer: Int, _ rows: Range<Int>, workers: WorkerPool) {
    settle(plan.tokenOfReturnRow[peer][rows], workers)
  }

  /// Each of the tokens waits for one thing less; those that wait for nothing are summed.
  private mutating func settle(_ tokens: some Sequence<Int32>, _ workers: WorkerPool) {
    var sums: [RowSum] = []
    for token in tokens {
      missing[Int(token)] -= 1
      guard missing[Int(token)] == 0 else { continue }
      sums.append(
        RowSum(target: Int(token), parts: plan.partOffsets[Int(token)]..<plan.partOffsets[Int(token) + 1]))
    }
    sumRows(sums, of: parts, tables: tables, into: out, workers: workers)
  }
}
