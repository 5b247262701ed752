import Planning
import Routing
import Tensors
import Testing

struct RoutingLossTests {
  @Test("balance loss and z-loss are transformers' formulas over all layers", arguments: [1, 2, 4])
  func losses(expertsPerToken: Int) {
    let routing = RouterCase(
      tokenCount: 29, hiddenSize: 10, expertCount: 4, expertsPerToken: expertsPerToken, layerCount: 3)
    let statistics = routing.statistics((0..<3).map { routing.forward($0) })
    let layers = (0..<3).map { routing.naiveTokens($0) }
    let balance = routing.naive.loadBalancingLoss(layers)
    let z = routing.naive.zLoss(layers)
    #expect(abs(statistics.loadBalancingLoss - balance) < 1e-6 * balance)
    #expect(abs(statistics.routerZLoss - z) < 1e-5 * z)
  }

  @Test("an even router has a balance loss of K")
  func even() {
    let routing = RouterCase(tokenCount: 9, hiddenSize: 4, expertCount: 6, expertsPerToken: 3)
    routing.layers[0].weight.fill(0)
    #expect(abs(routing.statistics([routing.forward()]).loadBalancingLoss - 3) < 1e-6)
  }

  @Test("statistics of parts add up to those of the whole")
  func parts() {
    let whole = RouterCase(tokenCount: 12, hiddenSize: 5, expertCount: 4, expertsPerToken: 2)
    let saved = whole.forward()
    let expected = whole.statistics([saved])
    let sum = RoutingStatistics(expertCount: 4, layerCount: 1, workspace: whole.workspace)
    for rows in [0..<5, 5..<5, 5..<12] {
      let part = whole.router.forward(
        whole.layers[0].x[rows: rows], weight: whole.layers[0].weight, capacity: .dropless, sequenceLength: 1,
        workspace: whole.workspace, workers: whole.workers)
      let statistics = whole.statistics([part])
      for index in 0..<sum.values.count { sum.values[index] += statistics.values[index] }
    }
    #expect(abs(sum.loadBalancingLoss - expected.loadBalancingLoss) < 1e-12)
    #expect(abs(sum.routerZLoss - expected.routerZLoss) < 1e-12)
    #expect(sum.loadImbalance == expected.loadImbalance)
  }

  @Test("dropped assignments count for balance, not for load")
  func dropped() {
    let routing = RouterCase(tokenCount: 16, hiddenSize: 4, expertCount: 4, expertsPerToken: 1)
    routing.layers[0].weight.fill(0)
    let dropless = routing.statistics([routing.forward()])
    let limited = routing.statistics([routing.forward(capacity: .limited(factor: 1))])
    // Every token chooses expert 0, which has four slots.
    #expect(dropless.loadImbalance == 4 && dropless.droppedFraction == 0)
    #expect(limited.rows(layer: 0, expert: 0) == 4 && limited.droppedFraction == 0.75)
    #expect(limited.loadBalancingLoss == dropless.loadBalancingLoss)
  }

  @Test("no tokens on any rank: losses are zero, not undefined")
  func noTokens() {
    let routing = RouterCase(tokenCount: 0, hiddenSize: 4, expertCount: 4, expertsPerToken: 2)
    let statistics = routing.statistics([routing.forward()])
    #expect(statistics.loadBalancingLoss == 0 && statistics.routerZLoss == 0)
    #expect(statistics.loadImbalance == 1 && statistics.droppedFraction == 0)
    #expect(statistics.lossGradient(balance: 1, zLoss: 1).probabilities == [0, 0, 0, 0])
  }
}
