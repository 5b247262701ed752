import LanguageModel
import Tensors

/// Memory for the sequences that a rank computes at once; allocated for the largest micro-batch and used again.
struct MicroBatchMemory {
  private let sequenceLength: Int
  private let tokens: Buffer<Int32>
  private let targets: Buffer<Int32>

  init(sequenceCount: Int, sequenceLength: Int) {
    self.sequenceLength = sequenceLength
    tokens = Buffer(count: sequenceCount * sequenceLength)
    targets = Buffer(count: sequenceCount * sequenceLength)
  }

  /// Reads sequences; there may be none. The result is valid until the next load.
  func load(
    _ sequences: some Collection<Int>, from source: any SequenceSource
  ) -> (batch: TokenBatch, targets: Buffer<Int32>) {
    for (place, sequence) in sequences.enumerated() {
      let range = place * sequenceLength..<(place + 1) * sequenceLength
      source.copy(sequence: sequence, tokens: tokens[range], targets: targets[range])
    }
    let used = 0..<sequences.count * sequenceLength
    let batch = TokenBatch(
      tokens: tokens[used], sequenceCount: sequences.count, sequenceLength: sequenceLength, tokenLimit: tokens.count)
    return (batch, targets[used])
  }
}
