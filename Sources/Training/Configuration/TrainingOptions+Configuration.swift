extension TrainingOptions {
  /// Tokens of an update when `--batch-tokens` does not say.
  package static let defaultBatchTokens = 4096
  /// The longest warm-up when `--warmup` does not say; shorter schedules warm up for a tenth of their steps.
  package static let longestDefaultWarmUp = 100

  /// The configuration of a new run.
  ///
  /// - Parameters:
  ///   - corpusSequenceLength: the length of the sequences, if the corpus dictates it (a file of token ids).
  ///   - maximumPositions: the longest sequence that the model can read.
  package func configuration(
    corpusSequenceLength: Int? = nil, maximumPositions: Int
  ) throws(TrainingError) -> TrainingConfiguration {
    var result = TrainingConfiguration()
    result.sequenceLength =
      sequenceLength ?? corpusSequenceLength ?? min(result.sequenceLength, maximumPositions)
    if let corpusSequenceLength, result.sequenceLength != corpusSequenceLength {
      throw TrainingError(
        .impossibleFlag,
        "--sequence-length \(result.sequenceLength): the sequences of the token file have \(corpusSequenceLength) tokens;"
          + " leave the flag out")
    }
    try result.validateSequenceLength(maximumPositions: maximumPositions)
    let length = result.sequenceLength
    result.batchSequences = try sequences(
      in: batchTokens, flag: "--batch-tokens", length: length, default: max(Self.defaultBatchTokens / length, 1))
    result.microBatchSequences = try sequences(
      in: microBatchTokens, flag: "--micro-batch-tokens", length: length, default: result.batchSequences)
    result.stepCount = steps ?? result.stepCount
    result.warmUpSteps = warmUpSteps ?? min(Self.longestDefaultWarmUp, max(result.stepCount, 0) / 10)
    result.seed = seed ?? result.seed
    apply(to: &result)
    try result.validate(maximumPositions: maximumPositions)
    return result
  }

  /// The configuration of a run that goes on from a checkpoint: what this command line does not say stays as it was.
  ///
  /// What decides which text a step sees must not change, or the run would train on some of it twice; `--stop-after`
  /// is never inherited.
  package func configuration(
    resuming saved: TrainingConfiguration, maximumPositions: Int
  ) throws(TrainingError) -> TrainingConfiguration {
    var result = saved
    try agree("--sequence-length", sequenceLength, saved.sequenceLength)
    try agree("--batch-tokens", batchTokens, saved.batchTokens)
    try agree("--seed", seed, saved.seed)
    try saved.validateSequenceLength(maximumPositions: maximumPositions)
    result.microBatchSequences = try sequences(
      in: microBatchTokens, flag: "--micro-batch-tokens", length: saved.sequenceLength,
      default: saved.microBatchSequences)
    result.stepCount = steps ?? saved.stepCount
    result.warmUpSteps = warmUpSteps ?? saved.warmUpSteps
    apply(to: &result)
    try result.validate(maximumPositions: maximumPositions)
    return result
  }

  /// Sets what needs no arithmetic.
  private func apply(to result: inout TrainingConfiguration) {
    result.learningRate = learningRate ?? result.learningRate
    result.schedule = schedule ?? result.schedule
    result.optimizer.weightDecay = weightDecay ?? result.optimizer.weightDecay
    result.optimizer.beta2 = beta2 ?? result.optimizer.beta2
    if let gradientClip { result.gradientClip = gradientClip == 0 ? nil : gradientClip }
    result.capacityFactor = capacityFactor ?? result.capacityFactor
    if let skipBadSteps { result.mostSkippedSteps = skipBadSteps == 0 ? nil : skipBadSteps }
    result.stopAfter = stopAfter
    result.checkpointEvery = checkpointEvery ?? result.checkpointEvery
    result.evaluateEvery = evaluateEvery ?? result.evaluateEvery
  }

  private func sequences(
    in tokens: Int?, flag: String, length: Int, default sequences: Int
  ) throws(TrainingError) -> Int {
    guard let tokens else { return sequences }
    guard tokens > 0, tokens % length == 0 else {
      let nearest = max((tokens + length / 2) / length, 1) * length
      throw TrainingError(
        .impossibleFlag, "\(flag) \(tokens) is no multiple of the sequence length \(length); \(nearest) is")
    }
    return tokens / length
  }

  private func agree<Value: Equatable>(_ flag: String, _ given: Value?, _ saved: Value) throws(TrainingError) {
    guard let given, given != saved else { return }
    throw TrainingError(
      .contradictsCheckpoint,
      "\(flag) \(given) contradicts the checkpoint, which was trained with \(saved); leave the flag out, or start anew")
  }
}
