import Tensors

/// Which sequences the steps of a run see: a function of the seed and the step, and of nothing else.
///
/// The run goes through all sequences epoch by epoch, each epoch in an order of its own. A step's batch is the next
/// stretch of this endless list; it may begin in one epoch and end in the next.
///
/// An epoch's order is a permutation that needs no memory: a Feistel network of four rounds over the smallest power of
/// four that is large enough, applied again while the result is no sequence (Black, Rogaway: Ciphers with arbitrary
/// finite domains, 2002).
package struct SequenceOrder: Hashable, Sendable {
  package let sequenceCount: Int
  package let batchSize: Int
  package let seed: UInt64
  /// Bits of each half of a position.
  private let halfBits: Int

  private static let roundCount: UInt64 = 4

  package init(sequenceCount: Int, batchSize: Int, seed: UInt64) {
    precondition(sequenceCount > 0 && batchSize > 0, "batches of \(batchSize) of \(sequenceCount) sequences")
    self.sequenceCount = sequenceCount
    self.batchSize = batchSize
    self.seed = seed
    let bits = Int.bitWidth - (sequenceCount - 1).leadingZeroBitCount
    halfBits = max((bits + 1) / 2, 1)
  }

  /// The sequences of a step's batch, in order. Steps are counted from 0.
  package func batch(step: Int) -> [Int] {
    (step * batchSize..<(step + 1) * batchSize).map { sequence(at: $0) }
  }

  /// The sequence at a position of the endless list.
  private func sequence(at position: Int) -> Int {
    let random = CounterRandom(seed: seed, stream: "sequences of epoch \(position / sequenceCount)")
    var place = UInt64(position % sequenceCount)
    repeat { place = permuted(place, random) } while place >= UInt64(sequenceCount)
    return Int(place)
  }

  /// A permutation of 0 ..< 4^halfBits.
  private func permuted(_ place: UInt64, _ random: CounterRandom) -> UInt64 {
    let mask = UInt64(1) << halfBits - 1
    var (left, right) = (place >> halfBits, place & mask)
    for round in 0..<Self.roundCount {
      (left, right) = (right, left ^ (random.word(round << 48 | right) & mask))
    }
    return left << halfBits | right
  }
}
