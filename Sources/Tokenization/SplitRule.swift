/// How text is cut into words before bytes are merged: no token crosses a cut.
enum SplitRule: Hashable, Sendable {
  /// GPT-2's pattern, scanned by hand: it is the one this program trains tokenizers with.
  case gpt2
  /// Numbers apart from the rest, whole or digit by digit (`Digits`).
  case digits(individually: Bool)
  /// Any other pattern.
  case pattern(SplitPattern, kept: KeptPieces)

  /// Which pieces of a text go on: what the pattern matches, what lies between, or both.
  enum KeptPieces: Hashable, Sendable { case all, matches, rest }

  static let gpt2Pattern = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// The rule that a regular expression spells. GPT-2's matches all of a text, so only keeping the rest is another rule.
  init(expression: String, kept: KeptPieces) throws(TokenizerError) {
    self = expression == Self.gpt2Pattern && kept != .rest ? .gpt2 : .pattern(try SplitPattern(expression), kept: kept)
  }
}

/// Cuts text into words by a rule.
struct WordScanner: Sendable {
  let rule: SplitRule
  private let classes = ScalarClasses.shared

  init(_ rule: SplitRule) { self.rule = rule }

  /// A piece of a text.
  struct Piece {
    let end: Int
    /// It is a word; other pieces are dropped.
    var isWord = true
  }

  /// The piece that starts at `start`, which is before the end of the text.
  @inline(__always) func piece(_ text: Span<UInt8>, from start: Int) -> Piece {
    switch rule {
    case .gpt2: Piece(end: gpt2WordEnd(text, from: start))
    case .digits(let individually): Piece(end: digitsWordEnd(text, from: start, individually: individually))
    case .pattern(let pattern, let kept): piece(text, from: start, of: pattern, kept: kept)
    }
  }

  private func piece(
    _ text: Span<UInt8>, from start: Int, of pattern: SplitPattern, kept: SplitRule.KeptPieces
  ) -> Piece {
    if let end = pattern.matchEnd(text, at: start), end > start { return Piece(end: end, isWord: kept != .rest) }
    var end = start
    repeat {
      end += decodeScalar(text, at: end).length
    } while end < text.count
      && pattern.matchEnd(text, at: end) ?? end == end
    return Piece(end: end, isWord: kept != .matches)
  }

  /// A scalar's class and length; nil at the end of the text.
  @inline(__always) func peek(_ text: Span<UInt8>, at position: Int) -> (class: ScalarClass, length: Int)? {
    guard position < text.count else { return nil }
    let scalar = decodeScalar(text, at: position)
    return (classes[scalar.value], scalar.length)
  }

  /// The end of the run of scalars of one class that goes on at `start`.
  @inline(__always) func runEnd(_ text: Span<UInt8>, of wanted: ScalarClass, from start: Int) -> Int {
    var position = start
    while position < text.count {
      let scalar = decodeScalar(text, at: position)
      guard classes.raw(scalar.value) == wanted.rawValue else { break }
      position += scalar.length
    }
    return position
  }

  private func digitsWordEnd(_ text: Span<UInt8>, from start: Int, individually: Bool) -> Int {
    guard let first = peek(text, at: start) else { return start }
    if first.class == .number { return individually ? start + first.length : runEnd(text, of: .number, from: start) }
    var end = start + first.length
    while let next = peek(text, at: end), next.class != .number { end += next.length }
    return end
  }
}
