/// Why a `tokenizer.json`, or the making of one, is refused: one line that says what, where and, if known, what to do.
package struct TokenizerError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// The bytes are not JSON.
    case notJSON
    /// The JSON is not that of a tokenizer: a member is missing, of the wrong type, or contradicts another.
    case malformed
    /// The tokenizer asks for something that this implementation does not do.
    case unsupported
    /// A vocabulary of the wanted size cannot be made.
    case vocabularySize
  }

  package let code: Code
  package let message: String

  /// The message may quote a file: control characters become spaces, and it is cut where it grows absurd.
  package init(_ code: Code, _ message: String) {
    self.code = code
    let scalars = message.unicodeScalars.prefix(Self.messageLimit)
    self.message = String(
      String.UnicodeScalarView(scalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
  }

  private static let messageLimit = 600

  package var description: String { message }
}
