package import Kernels
import Planning
package import Tensors

extension TopKRouter {
  /// Tokens of one task.
  private static let blockSize = 256

  /// The gradients of x and the weight, from those of the gate weights and of the balancing losses.
  ///
  /// With p the probabilities, g_j = p_j / s over the chosen j (any, not only the K most probable), s their sum,
  /// c = Σ_j dg_j · g_j:
  ///
  ///     dp[e]     = lossGradient.probabilities[e]  +  (dg_j − c) / s   where e is choice j
  ///     dlogit[e] = p[e] · (dp[e] − Σ dp · p)  +  lossGradient.logSumExpScale · logSumExp · p[e]
  ///
  /// - Parameter dGateWeights: [T · K] in order of assignment; 0 for one without a slot.
  package func backward(
    _ dGateWeights: Tensor, x: Tensor, weight: Tensor, saved: Saved, lossGradient: RouterLossGradient,
    accumulatingInto dx: Tensor, accumulatingWeight dWeight: Tensor, workspace: Workspace, workers: WorkerPool
  ) {
    let tokenCount = x.rows
    precondition(
      dGateWeights.count == tokenCount * expertsPerToken && saved.probabilities.rows == tokenCount
        && lossGradient.probabilities.count == expertCount,
      "\(dGateWeights.count) gate weights, \(lossGradient.probabilities.count) experts for \(tokenCount) tokens")
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let dProbabilities = workspace.tensor(tokenCount, expertCount)
    let dLogits = workspace.tensor(tokenCount, expertCount)
    workers.run((tokenCount + Self.blockSize - 1) / Self.blockSize) { block, _ in
      for token in block * Self.blockSize..<min((block + 1) * Self.blockSize, tokenCount) {
        setProbabilityGradient(dProbabilities, token: token, dGateWeights, saved, lossGradient)
        setLogSumExpGradient(dLogits, token: token, saved, scale: lossGradient.logSumExpScale)
      }
    }
    softmaxBackward(
      dProbabilities, probabilities: saved.probabilities, accumulatingInto: dLogits, workers: workers)
    linearInputGradient(dLogits, weight: weight, into: dx, accumulating: true, workers: workers)
    linearWeightGradient(dLogits, x: x, into: dWeight, accumulating: true, workers: workers)
  }

  private func setProbabilityGradient(
    _ dProbabilities: Tensor, token: Int, _ dGateWeights: Tensor, _ saved: Saved, _ lossGradient: RouterLossGradient
  ) {
    let row = token * expertCount
    for expert in 0..<expertCount { dProbabilities.buffer[row + expert] = lossGradient.probabilities[expert] }
    let decision = saved.decision
    let choices = token * expertsPerToken..<(token + 1) * expertsPerToken
    var (sum, mean): (Float, Float) = (0, 0)
    for assignment in choices {
      sum += saved.probabilities.buffer[row + Int(decision.expertIDs[assignment])]
      mean += dGateWeights.buffer[assignment] * decision.gateWeights[assignment]
    }
    for assignment in choices {
      dProbabilities.buffer[row + Int(decision.expertIDs[assignment])] +=
        (dGateWeights.buffer[assignment] - mean) / max(sum, Self.leastSum)
    }
  }

  private func setLogSumExpGradient(_ dLogits: Tensor, token: Int, _ saved: Saved, scale: Float) {
    let row = token * expertCount
    let factor = scale * saved.logSumExp.buffer[token]
    for expert in 0..<expertCount {
      dLogits.buffer[row + expert] = factor * saved.probabilities.buffer[row + expert]
    }
  }
}
