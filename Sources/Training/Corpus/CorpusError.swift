package import Communication
package import Tokenization

/// Why a text or token file cannot be used; the message says what, where and what to do.
package struct CorpusError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// A file or folder is not there.
    case missing
    /// A file is empty, binary, no file at all, or has changed; a folder holds no text.
    case unusable
    /// The hosts do not have the same text.
    case differs
    /// There is too little text for one sequence.
    case tooLittle
    /// Token ids that the model does not have, or a tensor of another form.
    case badTokens
  }

  package let code: Code
  package let message: String

  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { message }
}

extension CorpusError: RefusalConvertible {
  package var refusal: Refusal {
    let kind: Refusal.Kind =
      switch code {
      case .missing: .missingInput
      case .unusable, .tooLittle, .badTokens: .invalidData
      case .differs: .hostDiffers
      }
    return Refusal(kind, message)
  }
}

extension TokenizerError: RefusalConvertible {
  package var refusal: Refusal {
    let kind: Refusal.Kind =
      switch code {
      case .notJSON, .malformed: .invalidData
      case .unsupported: .configuration
      case .vocabularySize: .usage
      }
    return Refusal(kind, message)
  }
}
