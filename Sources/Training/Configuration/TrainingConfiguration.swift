/// Everything that decides a run's numbers, apart from the model and the text, and when the run pauses.
///
/// It is written into every checkpoint, so that a run can be resumed without repeating its flags.
package struct TrainingConfiguration: Codable, Hashable, Sendable {
  /// Updates of the weights in the whole schedule.
  package var stepCount = 500
  /// Tokens of a sequence, S.
  package var sequenceLength = 256
  /// Sequences of one update, over all ranks.
  package var batchSequences = 16
  /// Sequences that pass through the model at once, over all ranks; the last micro-batch may hold fewer.
  package var microBatchSequences = 16
  /// The peak of the learning rate.
  package var learningRate = 1e-3
  package var schedule = LearningRateSchedule.Shape.cosine
  package var warmUpSteps = 50
  package var optimizer = AdamWSettings()
  /// The largest norm of a gradient; longer ones are scaled down to it. `nil` does not clip.
  package var gradientClip: Double? = 1
  /// Of the data order, and of the weights of a new model.
  package var seed: UInt64 = 0
  /// Rows an expert takes of each sequence, relative to an even share; `nil` takes all (dropless).
  package var capacityFactor: Double?
  /// Steps in a row that may be left out, see `StepHealth`; `nil` leaves out none.
  package var mostSkippedSteps: Int?

  /// Steps of the schedule after which this sitting ends.
  package var stopAfter: Int?
  /// Steps between checkpoints; `nil` saves only at the end.
  package var checkpointEvery: Int?
  /// Steps between evaluations of the held-out text; `nil` never evaluates.
  package var evaluateEvery: Int?

  package init() {}

  package var batchTokens: Int { batchSequences * sequenceLength }
  package var microBatchTokens: Int { microBatchSequences * sequenceLength }

  /// The step after which this sitting ends.
  package var lastStep: Int { min(stopAfter ?? stepCount, stepCount) }

  package var learningRateSchedule: LearningRateSchedule {
    LearningRateSchedule(schedule, peak: learningRate, warmUpSteps: warmUpSteps, stepCount: stepCount)
  }

  /// Whether a checkpoint is due once `step` steps are done.
  package func savesAfter(step: Int) -> Bool {
    step == lastStep || checkpointEvery.map { step % $0 == 0 } == true
  }

  /// Whether the held-out text is evaluated once `step` steps are done: every so often, and at the schedule's end.
  package func evaluatesAfter(step: Int) -> Bool {
    guard let evaluateEvery else { return false }
    return step % evaluateEvery == 0 || step == stepCount
  }
}
