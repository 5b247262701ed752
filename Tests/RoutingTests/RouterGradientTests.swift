import Planning
import Routing
import Tensors
import Testing

/// Backward against central differences of the plain loops, in double precision.
struct RouterGradientTests {
  /// What the loss is made of: a weighted sum of gate weights and the two balancing losses.
  struct Loss: Sendable, CustomTestStringConvertible {
    let gates: Double
    let balance: Double
    let z: Double
    var testDescription: String { "gates \(gates), balance \(balance), z \(z)" }
  }

  static let losses = [
    Loss(gates: 1, balance: 0, z: 0), Loss(gates: 0, balance: 0.7, z: 0), Loss(gates: 0, balance: 0, z: 0.3),
    Loss(gates: 1, balance: 0.7, z: 0.3),
  ]

  /// Experts 0–2 on the own host: with no row to spare all tokens choose them, and only them.
  static let topologies = [
    nil, TopologyBudget(rankOfExpert: [0, 0, 0, 1, 1, 2], hostOfRank: [0, 1, 2], ownHost: 0, rows: 0),
  ]

  /// An arbitrary gradient of each gate weight.
  private let factors = (0..<21).map { Double(CounterRandom(seed: 3, stream: "factors").normal(UInt64($0))) }

  private func value(
    _ x: [[Double]], _ weight: [[Double]], _ loss: Loss, _ routing: RouterCase, _ saved: TopKRouter.Saved
  ) -> Double {
    let choices = (0..<7).map { saved.decision.expertIDs[$0 * 3..<$0 * 3 + 3].map(Int.init) }
    let tokens = routing.naive.route(x, weight: weight, fixed: choices)
    let gates = tokens.flatMap(\.gateWeights)
    return loss.gates * zip(gates, factors).reduce(0) { $0 + $1.0 * $1.1 }
      + loss.balance * routing.naive.loadBalancingLoss([tokens]) + loss.z * routing.naive.zLoss([tokens])
  }

  private func difference(_ values: [[Double]], _ row: Int, _ column: Int, _ f: ([[Double]]) -> Double) -> Double {
    var (above, below) = (values, values)
    above[row][column] += 1e-6
    below[row][column] -= 1e-6
    return (f(above) - f(below)) / 2e-6
  }

  @Test("gradients of tokens and weights agree with finite differences", arguments: losses, topologies)
  func gradients(loss: Loss, topology: TopologyBudget?) {
    let routing = RouterCase(tokenCount: 7, hiddenSize: 5, expertCount: 6, expertsPerToken: 3, topology: topology)
    let (x, weight) = routing.layers[0]
    let saved = routing.forward()
    // Gradients add to what is there.
    let dx = Tensor(zeros: x.shape)
    dx.fill(1)
    let dWeight = Tensor(zeros: weight.shape)
    dWeight.fill(-2)
    let dGates = Tensor(factors.map { Float($0 * loss.gates) }, shape: Shape(rows: 21, columns: 1))
    routing.router.backward(
      dGates, x: x, weight: weight, saved: saved,
      lossGradient: routing.statistics([saved]).lossGradient(balance: Float(loss.balance), zLoss: Float(loss.z)),
      accumulatingInto: dx, accumulatingWeight: dWeight, workspace: routing.workspace, workers: routing.workers)
    let (xs, weights) = (RouterCase.doubles(x), RouterCase.doubles(weight))
    for row in 0..<x.rows {
      for column in 0..<x.columns {
        let expected = difference(xs, row, column) { value($0, weights, loss, routing, saved) }
        #expect(abs(Double(dx[row, column]) - 1 - expected) < 3e-6, "x[\(row), \(column)]")
      }
    }
    for row in 0..<weight.rows {
      for column in 0..<weight.columns {
        let expected = difference(weights, row, column) { value(xs, $0, loss, routing, saved) }
        #expect(abs(Double(dWeight[row, column]) + 2 - expected) < 3e-6, "weight[\(row), \(column)]")
      }
    }
  }
}
