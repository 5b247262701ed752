import Checkpoints
import Tensors

/// Tells one list of sequences from another: a resumed run must see the rest of the list that it began with.
package struct TextIdentity: Codable, Hashable, Sendable {
  package let sequenceCount: Int
  /// XXH64 of all tokens and targets, in order.
  package let digest: String

  package init(of source: any SequenceSource) {
    let length = source.sequenceLength
    // One sequence's tokens, then its targets.
    let values = Buffer<Int32>(count: 2 * length)
    var digest = Digest()
    for sequence in 0..<source.sequenceCount {
      source.copy(sequence: sequence, tokens: values[0..<length], targets: values[length..<2 * length])
      digest.update(values)
    }
    sequenceCount = source.sequenceCount
    self.digest = digest.hexadecimal
  }
}
