package import Tensors

/// A token stream in windows: sequence `i` begins with token `i · S`, and its targets are the tokens one further on, so
/// that neighbours share one token and every token but the first is predicted once.
///
///     tokens        a b c d e f g          S = 3
///     sequence 0    a b c  →  b c d
///     sequence 1    d e f  →  e f g
package struct TextSequences: SequenceSource {
  /// What becomes of tokens at the end that fill no window.
  package enum Remainder: Hashable, Sendable {
    /// They are left out: training.
    case dropped
    /// They are a window of their own, padded: evaluation.
    case padded
  }

  package let sequenceLength: Int
  package let sequenceCount: Int
  private let stream: TokenStream

  /// - Parameter name: what the text is, for the message ("the held-out text").
  /// - Throws: `CorpusError` if there is no sequence.
  package init(_ stream: TokenStream, sequenceLength: Int, remainder: Remainder, name: String) throws(CorpusError) {
    precondition(sequenceLength > 0, "sequences of \(sequenceLength) tokens")
    let predictable = max(stream.tokens.count - 1, 0)
    switch remainder {
    case .dropped: sequenceCount = predictable / sequenceLength
    case .padded: sequenceCount = (predictable + sequenceLength - 1) / sequenceLength
    }
    guard sequenceCount > 0 else {
      let needed = remainder == .dropped ? sequenceLength + 1 : 2
      throw CorpusError(
        .tooLittle,
        "\(name) has \(stream.tokens.count) tokens and needs at least \(needed) for sequences of \(sequenceLength): "
          + "give more text\(remainder == .dropped ? " or a smaller --sequence-length" : "")")
    }
    self.sequenceLength = sequenceLength
    self.stream = stream
  }

  /// Bytes of text that the predicted tokens of all sequences stand for.
  package var byteCount: Int? {
    stream.byteCount(1..<1 + (0..<sequenceCount).reduce(0) { $0 + predictedTokenCount(sequence: $1) })
  }

  /// How many tokens of a sequence have a target: all, but in a window that is padded.
  package func predictedTokenCount(sequence: Int) -> Int {
    min(sequenceLength, stream.tokens.count - 1 - start(of: sequence))
  }

  /// Copies one sequence; places without a token hold token 0, places without a target −1.
  ///
  /// - Parameters:
  ///   - tokens: [S]
  ///   - targets: [S]
  package func copy(sequence: Int, tokens: Buffer<Int32>, targets: Buffer<Int32>) {
    let start = start(of: sequence)
    let count = predictedTokenCount(sequence: sequence)
    tokens[0..<count].copy(from: stream.tokens[start..<start + count])
    tokens[count..<sequenceLength].fill(0)
    targets[0..<count].copy(from: stream.tokens[start + 1..<start + 1 + count])
    targets[count..<sequenceLength].fill(-1)
  }

  private func start(of sequence: Int) -> Int {
    precondition(sequence >= 0 && sequence < sequenceCount, "sequence \(sequence) of \(sequenceCount)")
    return sequence * sequenceLength
  }
}
