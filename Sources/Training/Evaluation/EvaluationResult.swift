import Foundation

/// How well a model predicts a text.
package struct EvaluationResult: Codable, Hashable, Sendable {
  /// Mean cross-entropy over the predicted tokens, nats per token.
  package var loss: Double
  /// Predicted tokens.
  package var tokens: Int
  /// Bytes of text that the predicted tokens stand for; nil for tokens without a text.
  package var bytes: Int?

  package init(loss: Double, tokens: Int, bytes: Int?) {
    self.loss = loss
    self.tokens = tokens
    self.bytes = bytes
  }

  /// exp(loss): among how many equally likely tokens the model hesitates.
  package var perplexity: Double { exp(loss) }

  /// The loss of all tokens, in bits, over the bytes: comparable between tokenizers.
  package var bitsPerByte: Double? {
    guard let bytes, bytes > 0 else { return nil }
    return loss * Double(tokens) / Double(bytes) / log(2)
  }
}
