import Checkpoints
import Tensors

/// Tells one list of sequences from another: a resumed run must see the rest of the list that it began with.
package struct TextIdentity: Codable, Hashable, Sendable {
  package let sequenceCount: Int
  /// XXH64 of all tokens and targets, in order.
  package let digest: String

  package init(of source: any SequenceSource) {
    let length = source.sequenceLength
    // One sequence's tokens, then its targets, in whole stripes; what is left over stays zero.
    let wordsPerStripe = Digest.stripeByteCount / MemoryLayout<UInt64>.size
    let words = Buffer<UInt64>(count: (length + wordsPerStripe - 1) / wordsPerStripe * wordsPerStripe)
    let values = words.reinterpreted(as: Int32.self)
    var digest = Digest()
    for sequence in 0..<source.sequenceCount {
      source.copy(sequence: sequence, tokens: values[0..<length], targets: values[length..<2 * length])
      digest.update(words, byteCount: words.byteCount)
    }
    sequenceCount = source.sequenceCount
    self.digest = digest.hexadecimal
  }
}
