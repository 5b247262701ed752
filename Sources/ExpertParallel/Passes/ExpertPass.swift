import Communication
import Kernels
import Planning
import Tensors
import Topology

/// One direction of a layer. Both move rows the same way; they differ in what a task computes.
///
///     tokens [T, D] ──pack──▶ messages ──unpack──▶ arrived [R, D] ──tasks──▶ computed [R, D] ──pack──▶ results ──▶ out [T, D]
protocol ExpertPass: AnyObject {
  static var pass: Pass { get }
  var plan: ExchangePlan { get }
  /// What travels to the experts: x, or the gradient of the output. [T, D]
  var tokens: Tensor { get }
  /// The same in expert-major order. [R, D]
  var arrived: Tensor { get }
  /// What the experts make of it: y, or the gradient of x. [R, D]
  var computed: Tensor { get }
  /// What weighs a computed row in its token's sum; nil is 1. [R, 1]
  var sumWeights: Tensor? { get }
  /// [T, D]
  var out: Tensor { get }
  var work: ExchangeWork { get }
  /// Parameters of shadowed experts, or their gradients, and the local expert that each belongs to. Those that bring
  /// parameters here come first: they are the work's streams.
  var streams: [(stream: ParameterStream, expert: LocalExpert)] { get }

  func compute(_ task: RowTask, _ lane: Lane)
  func finalize(_ task: Int, _ lane: Lane)
  /// The gradients of the gate weights of a source's assignments, where the pass makes them. [A, 1]
  func packGates(of source: Int, into message: Tensor)
  /// Takes the gate gradients of a peer, this rank included, home.
  func placeGates(of peer: Int, _ gradients: Tensor)
}

extension ExpertPass {
  /// Rows of this rank for a peer.
  func packRows(_ rows: Range<Int>, to peer: Int, into message: Tensor, _ workers: WorkerPool) {
    let first = plan.dispatch.rows(to: Rank(peer)).lowerBound
    let sources = Array(plan.dispatch.tokenOfRow[first + rows.lowerBound..<first + rows.upperBound])
    copyRows(tokens, sources: sources, into: message, targets: Array(0..<Int32(rows.count)), workers: workers)
  }

  /// Copies the rows of this rank's own experts straight from its tokens, and clears the padding between the experts'
  /// groups, so that it adds nothing to weight gradients.
  func placeOwnRows(_ workers: WorkerPool) {
    let received = plan.received
    let own = plan.own
    for expert in 0..<received.expertCount {
      let used = received.group(LocalExpert(expert)).upperBound
      arrived[rows: used..<received.paddedGroup(LocalExpert(expert)).upperBound].fill(0)
    }
    let first = plan.dispatch.rows(to: own).lowerBound
    let sources = received.assignments[own.index].map { plan.dispatch.tokenOfRow[first + Int($0.row)] }
    copyRows(tokens, sources: sources, into: arrived, targets: received.positions[own.index], workers: workers)
  }

  /// Copies rows of a source to their experts.
  func unpack(_ rows: Range<Int>, of source: Int, _ content: Tensor, _ workers: WorkerPool) {
    let arrival = plan.arrivals[source]
    var sources: [Int32] = []
    for row in rows {
      for _ in arrival.offsets[row]..<arrival.offsets[row + 1] { sources.append(Int32(row - rows.lowerBound)) }
    }
    let places = arrival.places[Int(arrival.offsets[rows.lowerBound])..<Int(arrival.offsets[rows.upperBound])]
    copyRows(content, sources: sources, into: arrived, targets: Array(places), workers: workers)
  }

  /// Sums rows that go back to a source.
  func packResults(_ rows: Range<Int>, of source: Int, into message: Tensor, _ workers: WorkerPool) {
    let returns = plan.returns[source]
    let first = returns.offsets[rows.lowerBound]
    let places = returns.positions[Int(first)..<Int(returns.offsets[rows.upperBound])]
    let parts = places.map { WeightedRow(table: 0, row: $0, weight: sumWeights?[Int($0), 0] ?? 1) }
    let sums = rows.map { row in
      RowSum(target: row - rows.lowerBound, parts: returns.offsets[row] - first..<returns.offsets[row + 1] - first)
    }
    sumRows(sums, of: parts, tables: [computed], into: message, workers: workers)
  }
}
