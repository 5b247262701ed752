package import Tensors

/// Sequences of tokens and of what follows each, all of one length; the same on every rank.
package protocol SequenceSource: Sendable {
  /// Tokens of a sequence, S.
  var sequenceLength: Int { get }
  var sequenceCount: Int { get }

  /// How many tokens of a sequence have a target.
  func predictedTokenCount(sequence: Int) -> Int

  /// Bytes of text that the predicted tokens of all sequences stand for; nil where there is no text.
  var byteCount: Int? { get }

  /// Copies one sequence.
  ///
  /// - Parameters:
  ///   - tokens: [S]
  ///   - targets: what follows each token, −1 where nothing is to be predicted. [S]
  func copy(sequence: Int, tokens: Buffer<Int32>, targets: Buffer<Int32>)
}
