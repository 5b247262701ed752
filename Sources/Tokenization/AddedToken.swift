/// A token that is found in text as a whole, before the text is split and merged: `<|endoftext|>`, or a run of spaces.
struct AddedToken: Sendable {
  let id: Int32
  /// UTF-8.
  let content: [UInt8]
  /// Left out when decoding without special tokens.
  let isSpecial: Bool
  /// Looked for in the normalized text, and itself normalized; otherwise in the text as it is.
  let isNormalized: Bool
  /// Only found where no word character touches it.
  let isSingleWord: Bool
  /// Swallows the spaces on its left.
  let stripsLeft: Bool
  /// Swallows the spaces on its right.
  let stripsRight: Bool
}

/// A stretch of text: either a token that was found in it or the text between two.
enum TextPiece: Hashable, Sendable {
  case token(Int32)
  case text(Range<Int>)
}

/// Finds added tokens in text: the leftmost, of those the longest, none overlapping.
struct AddedTokenMatcher: Sendable {
  private let tokens: [AddedToken]
  /// A trie over bytes. Node 0 is the root.
  private var nodes = [Node()]
  private var isFirstByte = [Bool](repeating: false, count: 256)

  private struct Node: Sendable {
    var children: [UInt8: Int] = [:]
    /// The token that ends here.
    var token: Int?
  }

  /// - Parameter normalize: what is done to text before it is searched, and so to the tokens' contents.
  init(_ tokens: [AddedToken], normalize: ([UInt8]) -> [UInt8]) {
    self.tokens = tokens
    for (index, token) in tokens.enumerated() { add(normalize(token.content), token: index) }
  }

  private mutating func add(_ content: [UInt8], token: Int) {
    guard let first = content.first else { return }
    isFirstByte[Int(first)] = true
    var node = 0
    for byte in content {
      if let child = nodes[node].children[byte] {
        node = child
      } else {
        nodes.append(Node())
        nodes[node].children[byte] = nodes.count - 1
        node = nodes.count - 1
      }
    }
    if nodes[node].token == nil { nodes[node].token = token }
  }

  /// The text cut at the tokens found in it, in order and without empty stretches.
  func pieces(of text: Span<UInt8>) -> [TextPiece] {
    var pieces: [TextPiece] = []
    var plainStart = 0
    var position = 0
    while !tokens.isEmpty && position < text.count {
      guard isFirstByte[Int(text[position])], let match = longestMatch(text, at: position) else {
        position += 1
        continue
      }
      var found = position..<match.end
      position = match.end
      let token = tokens[match.token]
      if token.isSingleWord && touchesWord(text, found) { continue }
      found = widened(found, by: token, in: text, notBefore: plainStart)
      if plainStart < found.lowerBound { pieces.append(.text(plainStart..<found.lowerBound)) }
      pieces.append(.token(token.id))
      plainStart = found.upperBound
    }
    if plainStart < text.count { pieces.append(.text(plainStart..<text.count)) }
    return pieces
  }

  private func longestMatch(_ text: Span<UInt8>, at start: Int) -> (token: Int, end: Int)? {
    var match: (token: Int, end: Int)?
    var node = 0
    var position = start
    while position < text.count, let child = nodes[node].children[text[position]] {
      node = child
      position += 1
      if let token = nodes[node].token { match = (token, position) }
    }
    return match
  }

  private func touchesWord(_ text: Span<UInt8>, _ found: Range<Int>) -> Bool {
    let before = found.lowerBound > 0 ? scalarStart(text, before: found.lowerBound) : nil
    let after = found.upperBound < text.count ? found.upperBound : nil
    return [before, after].contains { position in
      position.map { ScalarSet.word.contains(decodeScalar(text, at: $0).value) } ?? false
    }
  }

  private func widened(
    _ found: Range<Int>, by token: AddedToken, in text: Span<UInt8>, notBefore limit: Int
  ) -> Range<Int> {
    var (start, end) = (found.lowerBound, found.upperBound)
    while token.stripsLeft && start > limit {
      let previous = scalarStart(text, before: start)
      guard previous >= limit, isSpace(text, at: previous) else { break }
      start = previous
    }
    while token.stripsRight && end < text.count && isSpace(text, at: end) {
      end += decodeScalar(text, at: end).length
    }
    return start..<end
  }

  private func isSpace(_ text: Span<UInt8>, at position: Int) -> Bool {
    ScalarSet.space.contains(decodeScalar(text, at: position).value)
  }
}
