/// Makes a byte-pair vocabulary from word counts (Gage 1994; Sennrich, Haddow, Birch 2016): again and again the most
/// frequent pair of neighbouring tokens becomes a token.
///
/// Ids: `<|endoftext|>` is 0, the 256 bytes follow in the order of the characters that stand for them, then the merged
/// tokens as they were made. Of pairs with equal counts the one with the smaller ids goes first, left id before right.
/// Word order plays no part, so the tokenizer does not depend on how the text was divided. The `tokenizers` library
/// makes the same tokens from the same words.
package struct BytePairTrainer: Sendable {
  /// How many ids the vocabulary is to have.
  package let vocabularySize: Int

  /// The end-of-text token and the 256 bytes.
  package static let smallestVocabularySize = 257
  /// A pair that occurs less often is not worth a token.
  static let smallestPairCount = 2

  static let endOfTextToken = AddedToken(
    id: 0, content: Array("<|endoftext|>".utf8), isSpecial: true, isNormalized: false, isSingleWord: false,
    stripsLeft: false, stripsRight: false)

  /// - Throws: `TokenizerError` for a size that cannot hold the bytes or is beyond all use.
  package init(vocabularySize: Int) throws(TokenizerError) {
    guard vocabularySize >= Self.smallestVocabularySize && vocabularySize < Vocabulary.idLimit else {
      throw TokenizerError(
        .vocabularySize,
        "a vocabulary of \(vocabularySize): it needs at least \(Self.smallestVocabularySize) "
          + "(256 bytes and the end of text) and less than \(Vocabulary.idLimit)")
    }
    self.vocabularySize = vocabularySize
  }

  /// Trains a tokenizer. It has fewer tokens than wanted if the words run out of pairs that occur twice: compare its
  /// `vocabularySize` with this one.
  package func train(_ counts: WordCounts) throws(TokenizerError) -> Tokenizer {
    var tokens = TokenList()
    let bytes = (UInt8.min...UInt8.max).sorted { ByteAlphabet.scalars[Int($0)] < ByteAlphabet.scalars[Int($1)] }
    let tokenOfByte = bytes.map { tokens.id(of: [$0]) }.enumerated().reduce(into: [Int32](repeating: 0, count: 256)) {
      $0[Int(bytes[$1.offset])] = $1.element
    }
    var pairs = PairCounts(counts, tokenOfByte: tokenOfByte)
    var merges: [TokenPair] = []
    while tokens.count < vocabularySize, let pair = pairs.popMostFrequent(atLeast: Self.smallestPairCount) {
      pairs.merge(pair, into: tokens.id(of: tokens[pair.left] + tokens[pair.right]))
      merges.append(pair)
    }
    return try Tokenizer(contentsOf: TokenizerFile.json(tokens: tokens.texts, merges: merges))
  }
}

/// Tokens by id while they are made. Two different pairs may make the same bytes: they are one token.
struct TokenList: Sendable {
  private var bytes: [[UInt8]] = [BytePairTrainer.endOfTextToken.content]
  private var idOfBytes: [[UInt8]: Int32] = [:]

  var count: Int { bytes.count }

  subscript(id: Int32) -> [UInt8] { bytes[Int(id)] }

  /// The token of some bytes, made if there is none.
  mutating func id(of token: [UInt8]) -> Int32 {
    if let id = idOfBytes[token] { return id }
    bytes.append(token)
    idOfBytes[token] = Int32(count - 1)
    return Int32(count - 1)
  }

  /// The tokens as the vocabulary writes them, by id.
  var texts: [[UInt8]] { [bytes[0]] + bytes.dropFirst().map(ByteAlphabet.text(for:)) }
}
