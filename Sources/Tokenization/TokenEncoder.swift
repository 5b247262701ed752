/// Encodes texts with one tokenizer and remembers the words it has met; several texts are best given to one encoder.
package struct TokenEncoder: Sendable {
  package let tokenizer: Tokenizer
  private let scanners: [WordScanner]
  private var merger = WordMerger()
  private var word: [Int32] = []
  private var cache = WordCache()

  package init(_ tokenizer: Tokenizer) {
    self.tokenizer = tokenizer
    scanners = tokenizer.splitRules.map(WordScanner.init)
  }

  /// Encodes UTF-8 (or any other bytes) and appends the tokens to `ids`.
  ///
  /// - Parameter addSpecialTokens: whether the tokens that mark the start and end of every text are added, if the
  ///   tokenizer has any.
  package mutating func encode(_ text: [UInt8], addSpecialTokens: Bool = true, into ids: inout [Int32]) {
    if addSpecialTokens { ids.append(contentsOf: tokenizer.prefix) }
    for piece in tokenizer.plainTokens.pieces(of: text.span) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let range):
        let plain = range.count == text.count ? text : Array(text[range])
        encodePlain(tokenizer.composesCanonically ? Normalization.nfc(plain) : plain, into: &ids)
      }
    }
    if addSpecialTokens { ids.append(contentsOf: tokenizer.suffix) }
  }

  /// Encodes normalized text.
  private mutating func encodePlain(_ text: [UInt8], into ids: inout [Int32]) {
    for piece in tokenizer.normalizedTokens.pieces(of: text.span) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let range):
        if tokenizer.addsPrefixSpace && text[range.lowerBound] != UInt8(ascii: " ") {
          let spaced = [UInt8(ascii: " ")] + text[range]
          encodeWords(spaced.span, rule: 0, into: &ids)
        } else {
          encodeWords(text.span.extracting(range), rule: 0, into: &ids)
        }
      }
    }
  }

  /// Splits by a rule and its parts by the rules after it; what the last rule leaves whole are the words.
  private mutating func encodeWords(_ text: Span<UInt8>, rule: Int, into ids: inout [Int32]) {
    guard rule < scanners.count else { return encodeWord(text, into: &ids) }
    let scanner = scanners[rule]
    var start = 0
    while start < text.count {
      let piece = scanner.piece(text, from: start)
      if piece.isWord { encodeWords(text.extracting(start..<piece.end), rule: rule + 1, into: &ids) }
      start = piece.end
    }
  }

  private mutating func encodeWord(_ text: Span<UInt8>, into ids: inout [Int32]) {
    if cache.append(text, to: &ids) { return }
    let first = ids.count
    if tokenizer.ignoresMerges, let id = wholeToken(text) {
      ids.append(id)
    } else {
      word.removeAll(keepingCapacity: true)
      for position in text.indices {
        if let token = tokenizer.tokenOfByte[Int(text[position])] { word.append(token) }
      }
      merger.merge(word, by: tokenizer.merges, into: &ids)
    }
    cache.remember(text, as: ids[first...])
  }

  /// The token that stands for a whole word.
  private func wholeToken(_ text: Span<UInt8>) -> Int32? {
    let bytes = text.indices.map { text[$0] }
    return tokenizer.vocabulary.id(of: ByteAlphabet.text(for: bytes))
  }
}

/// The tokens of words met before. It stops learning when it is full: words that are frequent come early.
struct WordCache: Sendable {
  private var words = ByteStringTable()
  private var ids: [Int32] = []
  /// The tokens of word `i` are `ids[starts[i] ..< starts[i + 1]]`.
  private var starts = [0]

  private static let wordByteLimit = 64
  private static let countLimit = 1 << 18

  /// Appends a word's tokens, if the word is known.
  func append(_ word: Span<UInt8>, to result: inout [Int32]) -> Bool {
    guard word.count <= Self.wordByteLimit, let index = words.index(of: word) else { return false }
    for position in starts[index]..<starts[index + 1] { result.append(ids[position]) }
    return true
  }

  mutating func remember(_ word: Span<UInt8>, as tokens: ArraySlice<Int32>) {
    guard word.count <= Self.wordByteLimit && words.count < Self.countLimit, words.insert(word).isNew else { return }
    ids.append(contentsOf: tokens)
    starts.append(ids.count)
  }
}

extension Tokenizer {
  /// The tokens of a text.
  package func encode(_ text: String, addSpecialTokens: Bool = true) -> [Int32] {
    encode(bytes: Array(text.utf8), addSpecialTokens: addSpecialTokens)
  }

  /// The tokens of bytes that should be UTF-8. A byte that is no part of valid UTF-8 is a symbol of its own: it is
  /// never dropped or replaced, and decoding gives it back.
  package func encode(bytes: [UInt8], addSpecialTokens: Bool = true) -> [Int32] {
    var encoder = TokenEncoder(self)
    var ids: [Int32] = []
    encoder.encode(bytes, addSpecialTokens: addSpecialTokens, into: &ids)
    return ids
  }
}
