/// What a user says on the command line of `train`, flag by flag; what was not said is `nil`.
///
/// A new run completes it with defaults, a resumed one with what its checkpoint says:
/// `configuration(sequenceLength:)` and `configuration(resuming:)`.
package struct TrainingOptions: Hashable, Sendable {
  /// `--steps`: updates of the weights in the whole schedule.
  package var steps: Int?
  /// `--batch-tokens`: tokens of one update, over all ranks.
  package var batchTokens: Int?
  /// `--micro-batch-tokens`: tokens that pass through the model at once, over all ranks.
  package var microBatchTokens: Int?
  /// `--sequence-length`: tokens of a sequence.
  package var sequenceLength: Int?
  /// `--learning-rate`: the peak.
  package var learningRate: Double?
  /// `--schedule`: what follows the warm-up.
  package var schedule: LearningRateSchedule.Shape?
  /// `--warmup`: steps until the peak.
  package var warmUpSteps: Int?
  /// `--weight-decay`: of every parameter.
  package var weightDecay: Double?
  /// `--beta2`: AdamW's.
  package var beta2: Double?
  /// `--gradient-clip`: the largest norm of a gradient; 0 does not clip.
  package var gradientClip: Double?
  /// `--seed`: of the data order and of new weights.
  package var seed: UInt64?
  /// `--capacity-factor`: rows an expert takes of a sequence, relative to an even share; absent: all.
  package var capacityFactor: Double?
  /// `--stop-after`: steps of the schedule after which the run saves and ends.
  package var stopAfter: Int?
  /// `--checkpoint-every`: steps between checkpoints; absent: only at the end.
  package var checkpointEvery: Int?
  /// `--evaluate-every`: steps between evaluations of the held-out text; absent: none.
  package var evaluateEvery: Int?
  /// `--skip-bad-steps`: steps in a row that are left out because their loss or gradient is no number or stands out;
  /// absent or 0: none.
  package var skipBadSteps: Int?

  package init() {}
}
