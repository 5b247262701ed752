extension TrainingConfiguration {
  /// No count is larger, so that products of two do not overflow; flags have the same bound.
  static let largestCount = Int(Int32.max)

  /// Whether sums and products of its counts can be formed. What comes from a file is asked this before all else.
  var hasBelievableCounts: Bool {
    let counts = [
      stepCount, sequenceLength, batchSequences, microBatchSequences, warmUpSteps, stopAfter ?? 0, checkpointEvery ?? 0,
      evaluateEvery ?? 0, mostSkippedSteps ?? 0,
    ]
    return counts.allSatisfy { (0...Self.largestCount).contains($0) }
  }

  /// Refuses values that cannot work, in the flags' own words.
  package func validate(maximumPositions: Int) throws(TrainingError) {
    try validateShape(maximumPositions: maximumPositions)
    try validateOptimizer()
    try require(capacityFactor.map { $0 > 0 && $0.isFinite } ?? true, "--capacity-factor", capacityFactor, "above 0")
    let intervals = [
      ("--skip-bad-steps", mostSkippedSteps), ("--checkpoint-every", checkpointEvery),
      ("--evaluate-every", evaluateEvery),
    ]
    for (flag, value) in intervals {
      try require(value.map { $0 > 0 } ?? true, flag, value, "1 or more")
    }
  }

  private func validateShape(maximumPositions: Int) throws(TrainingError) {
    try require(stepCount > 0, "--steps", stepCount, "1 or more")
    try require(stopAfter.map { $0 > 0 && $0 <= stepCount } ?? true, "--stop-after", stopAfter, "1 to \(stepCount)")
    try validateSequenceLength(maximumPositions: maximumPositions)
    try require(batchSequences > 0, "--batch-tokens", batchTokens, "one sequence or more")
    try require(
      microBatchSequences > 0 && microBatchSequences <= batchSequences, "--micro-batch-tokens", microBatchTokens,
      "one sequence to the whole batch of \(batchTokens) tokens")
  }

  func validateSequenceLength(maximumPositions: Int) throws(TrainingError) {
    try require(
      sequenceLength >= 2 && sequenceLength <= maximumPositions, "--sequence-length", sequenceLength,
      "2 to the model's \(maximumPositions) positions")
  }

  private func validateOptimizer() throws(TrainingError) {
    try require(learningRate > 0 && learningRate.isFinite, "--learning-rate", learningRate, "above 0")
    try require(warmUpSteps >= 0 && warmUpSteps <= stepCount, "--warmup", warmUpSteps, "0 to \(stepCount)")
    try require(
      optimizer.weightDecay >= 0 && optimizer.weightDecay.isFinite, "--weight-decay", optimizer.weightDecay,
      "0 or more")
    try require(optimizer.beta2 >= 0 && optimizer.beta2 < 1, "--beta2", optimizer.beta2, "0 or more and below 1")
    try require(gradientClip.map { $0 > 0 && $0.isFinite } ?? true, "--gradient-clip", gradientClip, "0 or more")
  }

  private func require<Value>(
    _ condition: Bool, _ flag: String, _ value: Value?, _ expected: String
  ) throws(TrainingError) {
    if condition { return }
    throw TrainingError(.impossibleFlag, "\(flag) \(value.map { "\($0)" } ?? "") is impossible: give \(expected)")
  }
}
