/// How often each word occurs in text: all that training a tokenizer needs to know of it.
///
/// Counts of parts of a text add up to the counts of the whole, if no word crosses from part to part; so every rank
/// counts its own part. The order of words carries no meaning.
package struct WordCounts: Sendable {
  private(set) var words = ByteStringTable()
  private(set) var counts: [Int] = []

  package init() {}

  /// How many different words there are.
  package var count: Int { counts.count }

  /// Splits a text by GPT-2's rule, apart from the end-of-text token, and counts its words.
  package mutating func add(text: [UInt8]) {
    let scanner = WordScanner(.gpt2)
    let span = text.span
    for case .text(let range) in Self.endOfText.pieces(of: span) {
      let piece = span.extracting(range)
      var start = 0
      while start < piece.count {
        let end = scanner.piece(piece, from: start).end
        add(piece.extracting(start..<end), count: 1)
        start = end
      }
    }
  }

  /// Adds the counts of another part of the text.
  package mutating func add(_ other: WordCounts) {
    for (index, count) in other.counts.enumerated() {
      let word = Array(other.words[index])
      add(word.span, count: count)
    }
  }

  private mutating func add(_ word: Span<UInt8>, count: Int) {
    let (index, isNew) = words.insert(word)
    if isNew { counts.append(0) }
    counts[index] += count
  }

  private static let endOfText = AddedTokenMatcher([BytePairTrainer.endOfTextToken], normalize: \.self)
}

// MARK: - As a message

extension WordCounts {
  /// The counts as bytes, for another rank: for every word its length, its bytes and its count; numbers in LEB128.
  package func serialized() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(words.byteCount + 3 * count)
    for (index, count) in counts.enumerated() {
      Self.append(words[index].count, to: &bytes)
      bytes.append(contentsOf: words[index])
      Self.append(count, to: &bytes)
    }
    return bytes
  }

  /// Reads what `serialized` wrote.
  ///
  /// - Throws: `TokenizerError` if the bytes are something else.
  package init(serialized bytes: [UInt8]) throws(TokenizerError) {
    var position = 0
    while position < bytes.count {
      let length = try Self.number(bytes, &position)
      guard length <= bytes.count - position else { throw Self.truncated }
      let word = position..<position + length
      position = word.upperBound
      add(bytes.span.extracting(word), count: try Self.number(bytes, &position))
    }
  }

  private static var truncated: TokenizerError { TokenizerError(.malformed, "the word counts of a rank are damaged") }

  private static func append(_ number: Int, to bytes: inout [UInt8]) {
    var rest = number
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private static func number(_ bytes: [UInt8], _ position: inout Int) throws(TokenizerError) -> Int {
    var number = 0
    for shift in stride(from: 0, to: 56, by: 7) {
      guard position < bytes.count else { throw truncated }
      let byte = bytes[position]
      position += 1
      number |= Int(byte & 0x7f) << shift
      if byte < 0x80 { return number }
    }
    throw truncated
  }
}
