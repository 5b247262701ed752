package import Topology

/// Who computes which sequences of a batch, and when: micro-batches one after another, ranks side by side.
///
/// Micro-batch `m` holds the sequences `m·M ..< (m+1)·M`, the last one what is left; its sequences go to the ranks in
/// contiguous blocks, which may be uneven, or empty when there are fewer sequences than ranks.
///
///     10 sequences, micro-batches of 4, 3 ranks:   0 | 1 | 2 3     4 | 5 | 6 7     – | 8 | 9
package struct BatchDivision: Hashable, Sendable {
  package let sequenceCount: Int
  package let microBatchSequences: Int
  package let rankCount: Int

  package init(sequenceCount: Int, microBatchSequences: Int, rankCount: Int) {
    precondition(
      sequenceCount > 0 && microBatchSequences > 0 && rankCount > 0,
      "\(sequenceCount) sequences in micro-batches of \(microBatchSequences) over \(rankCount) ranks")
    self.sequenceCount = sequenceCount
    self.microBatchSequences = microBatchSequences
    self.rankCount = rankCount
  }

  package var microBatchCount: Int { (sequenceCount + microBatchSequences - 1) / microBatchSequences }

  /// The sequences of a micro-batch, on all ranks together.
  package func sequences(microBatch: Int) -> Range<Int> {
    precondition(microBatch >= 0 && microBatch < microBatchCount, "micro-batch \(microBatch) of \(microBatchCount)")
    let first = microBatch * microBatchSequences
    return first..<min(first + microBatchSequences, sequenceCount)
  }

  /// The sequences of a micro-batch that a rank computes.
  package func sequences(microBatch: Int, rank: Rank) -> Range<Int> {
    let all = sequences(microBatch: microBatch)
    let own = BlockPartition(count: all.count, parts: rankCount).range(of: rank.index)
    return all.lowerBound + own.lowerBound..<all.lowerBound + own.upperBound
  }

  /// The most sequences that a rank ever computes at once.
  package var largestBlock: Int { (microBatchSequences + rankCount - 1) / rankCount }
}
