/// What one training step measured: one line of `metrics.jsonl`.
///
/// Losses are those before the step's update.
package struct StepMetrics: Hashable, Sendable {
  /// Steps done, this one included.
  package var step: Int
  /// Mean cross-entropy over all predicted tokens of the batch, nats per token.
  package var loss = 0.0
  /// Load-balancing loss before its coefficient, mean over micro-batches; 1 × experts per token when balanced.
  package var balanceLoss = 0.0
  /// Router z-loss before its coefficient, mean over micro-batches.
  package var zLoss = 0.0
  /// What is minimised: the loss plus the two others with their coefficients.
  package var totalLoss = 0.0
  package var learningRate = 0.0
  /// Norm of the total loss's gradient over all parameters, before clipping.
  package var gradientNorm = 0.0
  /// Tokens of the batch over the step's time.
  package var tokensPerSecond = 0.0
  /// Rows of the busiest expert over the mean, mean over layers.
  package var loadImbalance = 0.0
  /// Assignments of tokens to experts that found no place, of all assignments.
  package var droppedFraction = 0.0
  /// Time in expert layers, exchange and experts, forward and backward; the slowest rank's.
  package var expertMilliseconds = 0.0
  /// Time between the first message of an exchange and its last, summed over exchanges; the slowest rank's.
  package var exchangeMilliseconds = 0.0
  /// The part of it in which the rank only waited; the slowest rank's.
  package var exposedExchangeMilliseconds = 0.0
  package var stepMilliseconds = 0.0
  /// Memory of temporaries at the fullest moment since the process began, on the rank that needed most.
  package var activationBytes = 0
  /// Experts that changed ranks after the step, counted once for every layer.
  package var movedExpertCount = 0
  /// The step was left out: its update was not made.
  package var isSkipped = false
  /// What stood out, in words; on all ranks.
  package var notice: String?
  /// Mean cross-entropy over the held-out text after the step, if it was evaluated.
  package var heldOutLoss: Double?

  // For those who look on; no part of the line of `metrics.jsonl`, which would become long.

  /// Rows that each expert computed in the step, over all ranks. [layers with experts][experts]
  package var expertRows: [[Int]] = []
  /// Bytes that each rank has sent to each since the job began, [from · ranks + to]; empty unless the run measures them.
  package var linkByteCounts: [Int] = []

  package init(step: Int) { self.step = step }
}

extension StepMetrics {
  /// The line of `metrics.jsonl`, without its end. Numbers have as many digits as tell them apart from all others, so
  /// equal bits give equal text; what is no number is `null`.
  package var jsonLine: String {
    var fields: [(String, String)] = [
      ("step", "\(step)"), ("loss", Self.json(loss)), ("balance_loss", Self.json(balanceLoss)),
      ("z_loss", Self.json(zLoss)), ("total_loss", Self.json(totalLoss)),
      ("learning_rate", Self.json(learningRate)), ("gradient_norm", Self.json(gradientNorm)),
      ("tokens_per_second", Self.json(tokensPerSecond)), ("load_imbalance", Self.json(loadImbalance)),
      ("dropped_fraction", Self.json(droppedFraction)),
      ("expert_layers_milliseconds", Self.json(expertMilliseconds)),
      ("exchange_milliseconds", Self.json(exchangeMilliseconds)),
      ("exposed_exchange_milliseconds", Self.json(exposedExchangeMilliseconds)),
      ("step_milliseconds", Self.json(stepMilliseconds)), ("activation_bytes", "\(activationBytes)"),
      ("moved_experts", "\(movedExpertCount)"),
    ]
    if isSkipped { fields.append(("skipped", "true")) }
    if let heldOutLoss { fields.append(("held_out_loss", Self.json(heldOutLoss))) }
    return "{" + fields.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
  }

  private static func json(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }
}
