import Planning
package import Tensors

/// How one micro-batch was routed: sums over its tokens and expert layers, from which the balancing losses, their
/// gradients and the load follow.
///
/// Each rank sums over its own tokens. The losses are those of the whole micro-batch, so the caller adds `values` over
/// all ranks (one reduction) before it reads anything else; the gradients then use the global sums.
package struct RoutingStatistics: Sendable {
  package let expertCount: Int
  /// Layers that have experts.
  package let layerCount: Int
  /// Tokens · layers; Σ logSumExp²; Σ probability [E]; assignments chosen [layers, E]; assignments dropped [layers, E].
  package let values: Buffer<Double>

  /// Zeros, taken from the workspace.
  package init(expertCount: Int, layerCount: Int, workspace: Workspace) {
    self.expertCount = expertCount
    self.layerCount = layerCount
    values = workspace.buffer(count: 2 + expertCount * (1 + 2 * layerCount))
    values.fill(0)
  }

  /// Tokens, counted once for every expert layer: N.
  package var tokenCount: Double { values[0] }

  /// Adds one layer's tokens. Sums run over tokens in order, in double precision.
  package func add(_ routing: TopKRouter.Saved, layer: Int) {
    precondition(layer >= 0 && layer < layerCount, "expert layer \(layer) of \(layerCount)")
    let decision = routing.decision
    values[0] += Double(decision.tokenCount)
    for token in 0..<decision.tokenCount {
      let logSumExp = Double(routing.logSumExp.buffer[token])
      values[1] += logSumExp * logSumExp
      for expert in 0..<expertCount {
        values[2 + expert] += Double(routing.probabilities.buffer[token * expertCount + expert])
      }
    }
    for assignment in 0..<decision.assignmentCount {
      let expert = Int(decision.expertIDs[assignment])
      values[chosenIndex(layer, expert)] += 1
      if !decision.isKept[assignment] { values[droppedIndex(layer, expert)] += 1 }
    }
  }

  private func chosenIndex(_ layer: Int, _ expert: Int) -> Int { 2 + expertCount * (1 + layer) + expert }
  private func droppedIndex(_ layer: Int, _ expert: Int) -> Int { chosenIndex(layerCount + layer, expert) }

  /// Assignments to an expert over all layers, those that capacity dropped included.
  private func chosen(_ expert: Int) -> Double {
    (0..<layerCount).reduce(0) { $0 + values[chosenIndex($1, expert)] }
  }

  /// Rows that an expert of a layer computed.
  package func rows(layer: Int, expert: Int) -> Double {
    values[chosenIndex(layer, expert)] - values[droppedIndex(layer, expert)]
  }
}

// MARK: Losses

extension RoutingStatistics {
  /// E · Σ_e f_e · P_e: f_e the assignments to expert e per token, P_e its mean probability, both over the tokens of all
  /// layers. It is K where routing is even.
  ///
  /// As `load_balancing_loss_func` of transformers' Mixtral, which sums over the K choice slots; Switch Transformer's
  /// equation 4 is the case K = 1. Assignments count before any is dropped.
  package var loadBalancingLoss: Double {
    guard tokenCount > 0 else { return 0 }
    let sum = (0..<expertCount).reduce(0) { $0 + chosen($1) * values[2 + $1] }
    return Double(expertCount) * sum / (tokenCount * tokenCount)
  }

  /// The mean of logSumExp(router logits)² over tokens and layers: ST-MoE, equation 5.
  package var routerZLoss: Double { tokenCount > 0 ? values[1] / tokenCount : 0 }

  /// The derivatives of `balance · loadBalancingLoss + zLoss · routerZLoss`.
  ///
  /// Choices are steps, so the balance loss reaches the router through P alone, and alike for every token.
  package func lossGradient(balance: Float, zLoss: Float) -> RouterLossGradient {
    let count = max(tokenCount, 1)
    let scale = Double(balance) * Double(expertCount) / (count * count)
    return RouterLossGradient(
      probabilities: (0..<expertCount).map { Float(scale * chosen($0)) },
      logSumExpScale: Float(2 * Double(zLoss) / count))
  }
}

/// What the balancing losses add to a router's gradient, for each token of each layer.
package struct RouterLossGradient: Hashable, Sendable {
  /// ∂loss/∂probability[e], the same for every token. [E]
  package let probabilities: [Float]
  /// ∂loss/∂logSumExp = scale · logSumExp.
  package let logSumExpScale: Float

  /// Without balancing losses.
  package static func none(expertCount: Int) -> RouterLossGradient {
    RouterLossGradient(probabilities: Array(repeating: 0, count: expertCount), logSumExpScale: 0)
  }
}

// MARK: Load

extension RoutingStatistics {
  /// The busiest expert's rows over the mean expert's, averaged over layers; 1 is even.
  package var loadImbalance: Double {
    let ratios = (0..<layerCount).compactMap { layer -> Double? in
      let rows = (0..<expertCount).map { self.rows(layer: layer, expert: $0) }
      let total = rows.reduce(0, +)
      return total > 0 ? (rows.max() ?? 0) * Double(expertCount) / total : nil
    }
    return ratios.isEmpty ? 1 : ratios.reduce(0, +) / Double(ratios.count)
  }

  /// The share of assignments that capacity dropped.
  package var droppedFraction: Double {
    var (chosen, dropped) = (0.0, 0.0)
    for layer in 0..<layerCount {
      for expert in 0..<expertCount {
        chosen += values[chosenIndex(layer, expert)]
        dropped += values[droppedIndex(layer, expert)]
      }
    }
    return chosen > 0 ? dropped / chosen : 0
  }
}
