package import Kernels
package import Planning
package import Tensors

// T tokens, D hidden, E experts, K experts per token.   x, dx: [T, D]   weight, dWeight: [E, D]

/// Chooses each token's experts: the K largest of softmax(x · weightᵀ), their probabilities divided by their sum.
///
/// As Mixtral does (Jiang et al. 2024): equal to a softmax over the K largest logits. Logits and probabilities are f32
/// whatever the experts compute in; equal probabilities go to the lower expert.
package struct TopKRouter: Hashable, Sendable {
  package let expertCount: Int
  package let expertsPerToken: Int
  /// What may leave the host; everything if nil.
  package let topology: TopologyBudget?

  package init(expertCount: Int, expertsPerToken: Int, topology: TopologyBudget? = nil) {
    precondition(
      expertsPerToken > 0 && expertsPerToken <= expertCount, "\(expertsPerToken) of \(expertCount) experts per token")
    precondition(
      topology == nil || topology?.rankOfExpert.count == expertCount,
      "ranks of \(topology?.rankOfExpert.count ?? 0) experts for \(expertCount)")
    self.expertCount = expertCount
    self.expertsPerToken = expertsPerToken
    self.topology = topology
  }

  /// The same router with a limit on what may leave the host.
  package func limited(by topology: TopologyBudget?) -> TopKRouter {
    TopKRouter(expertCount: expertCount, expertsPerToken: expertsPerToken, topology: topology)
  }

  /// The K most probable experts have 1/E at least, but those that a topology budget leaves may have no probability at all:
  /// then their weights are 0 and not 0 / 0.
  static let leastSum: Float = 1e-20

  /// What the balancing losses and backward need.
  package struct Saved: Sendable {
    package let decision: RoutingDecision
    /// softmax(routerLogits) [T, E]
    package let probabilities: Tensor
    /// log Σ exp(routerLogits) [T, 1]
    package let logSumExp: Tensor
  }

  /// - Parameter sequenceLength: tokens that share an expert's capacity; they lie one after another.
  package func forward(
    _ x: Tensor, weight: Tensor, capacity: CapacityPolicy, sequenceLength: Int, workspace: Workspace,
    workers: WorkerPool
  ) -> Saved {
    let probabilities = workspace.tensor(x.rows, expertCount)
    let logSumExp = workspace.tensor(x.rows, 1)
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let routerLogits = workspace.tensor(x.rows, expertCount)
    linear(x, weight: weight, into: routerLogits, workers: workers)
    softmax(routerLogits, into: probabilities, logSumExp: logSumExp, workers: workers)
    let indices = workspace.buffer(of: Int32.self, count: x.rows * expertsPerToken)
    topK(probabilities, count: expertsPerToken, indices: indices, workers: workers)
    var choices = RouterChoices(expertIDs: indices.elements, expertsPerToken: expertsPerToken)
    topology?.limit(&choices, probabilities)
    let decision = decide(choices, probabilities, capacity: capacity, sequenceLength: sequenceLength)
    return Saved(decision: decision, probabilities: probabilities, logSumExp: logSumExp)
  }

  func decide(
    _ chosen: RouterChoices, _ probabilities: Tensor, capacity: CapacityPolicy, sequenceLength: Int
  ) -> RoutingDecision {
    let expertIDs = chosen.expertIDs
    var gateWeights = Array(repeating: Float(0), count: expertIDs.count)
    for token in 0..<probabilities.rows {
      let choices = token * expertsPerToken..<(token + 1) * expertsPerToken
      var sum: Float = 0
      for assignment in choices {
        gateWeights[assignment] = probabilities.buffer[token * expertCount + Int(expertIDs[assignment])]
        sum += gateWeights[assignment]
      }
      for assignment in choices { gateWeights[assignment] /= max(sum, Self.leastSum) }
    }
    // Weights are divided by the sum over all K choices, those without a slot included, so a drop changes no other one.
    let isKept =
      capacity == .dropless
      ? chosen.isReachable
      : capacity.kept(
        expertIDs: expertIDs, expertsPerToken: expertsPerToken, expertCount: expertCount,
        sequenceLength: sequenceLength, offered: chosen.isReachable)
    return RoutingDecision(
      expertsPerToken: expertsPerToken, expertIDs: expertIDs, gateWeights: gateWeights, isKept: isKept)
  }
}

extension TopKRouter.Saved {
  /// The same probabilities with choices that somebody else made. [T · K]
  package func choosing(_ experts: [Int32], capacity: CapacityPolicy, sequenceLength: Int) -> TopKRouter.Saved {
    let router = TopKRouter(expertCount: probabilities.columns, expertsPerToken: decision.expertsPerToken)
    let choices = RouterChoices(expertIDs: experts, expertsPerToken: decision.expertsPerToken)
    return TopKRouter.Saved(
      decision: router.decide(choices, probabilities, capacity: capacity, sequenceLength: sequenceLength),
      probabilities: probabilities, logSumExp: logSumExp)
  }
}
