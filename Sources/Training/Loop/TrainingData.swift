/// What a run learns from: sequences, and which of them each step sees.
package struct TrainingData: Sendable {
  package let sequences: any SequenceSource
  package let order: SequenceOrder

  package init(_ sequences: any SequenceSource, order: SequenceOrder) {
    self.sequences = sequences
    self.order = order
  }

  /// The batch of a step, counted from 0.
  package func batch(step: Int) -> Batch {
    let sequences = order.batch(step: step)
    let predicted = sequences.reduce(0) { $0 + self.sequences.predictedTokenCount(sequence: $1) }
    return Batch(step: step, sequences: sequences, predictedTokenCount: predicted)
  }

  /// The sequences of one step.
  package struct Batch: Hashable, Sendable {
    package let step: Int
    package let sequences: [Int]
    /// Over all of its sequences: what its loss is averaged over.
    package let predictedTokenCount: Int
  }
}
