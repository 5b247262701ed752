extension Tokenizer {
  /// The bytes that tokens stand for. An id that no token has stands for none.
  package func decodedBytes(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool = false) -> [UInt8] {
    ids.flatMap { bytes(of: $0, skipSpecialTokens: skipSpecialTokens) }
  }

  /// The text that tokens stand for; bytes that are not UTF-8 become U+FFFD.
  package func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool = false) -> String {
    String(decoding: decodedBytes(ids, skipSpecialTokens: skipSpecialTokens), as: UTF8.self)
  }

  /// The bytes that one token stands for.
  package func bytes(of id: Int32, skipSpecialTokens: Bool = false) -> [UInt8] {
    skipSpecialTokens && isSpecial(id) ? [] : vocabulary.bytes(of: id)
  }
}

/// Decodes tokens as they are made: text comes out as soon as it is whole characters.
///
/// All pieces together are the text that `Tokenizer.decode` gives for all tokens.
package struct TokenStreamDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipSpecialTokens: Bool
  /// The start of a character whose other bytes are still to come.
  private var pending: [UInt8] = []

  package init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool = false) {
    self.tokenizer = tokenizer
    self.skipSpecialTokens = skipSpecialTokens
  }

  /// The text that a token completes; empty while a character is incomplete.
  package mutating func append(_ id: Int32) -> String {
    pending.append(contentsOf: tokenizer.bytes(of: id, skipSpecialTokens: skipSpecialTokens))
    let whole = pending.count - incompleteTail
    defer { pending.removeFirst(whole) }
    return String(decoding: pending[..<whole], as: UTF8.self)
  }

  /// What is left when no more tokens come: an incomplete character becomes U+FFFD.
  package mutating func finish() -> String {
    defer { pending = [] }
    return String(decoding: pending, as: UTF8.self)
  }

  /// How many bytes at the end begin a character that needs more than there are.
  private var incompleteTail: Int {
    for length in 1...3 where length <= pending.count {
      switch pending[pending.count - length] {
      case 0x80...0xbf: continue
      case 0xc0...0xdf: return length < 2 ? length : 0
      case 0xe0...0xef: return length < 3 ? length : 0
      case 0xf0...0xff: return length
      default: return 0
      }
    }
    return 0
  }
}
