/// How text is cut into words before bytes are merged: no token crosses a cut.
///
/// Tokenizer files give these rules as regular expressions. The patterns below are the ones in use; they are recognised
/// by their text and scanned by hand, an order of magnitude faster than a general engine.
enum SplitRule: Hashable, Sendable {
  /// GPT-2's: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  case gpt2
  /// That of Llama 3 and of OpenAI's cl100k (up to 3 digits a word), and of Qwen 2 (1 digit):
  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
  case llama3(digitLimit: Int)
  /// Numbers apart from the rest, whole or digit by digit (`Digits`).
  case digits(individually: Bool)

  /// The rule that a regular expression spells; nil for one that is not known.
  init?(pattern: String) {
    switch pattern {
    case Self.gpt2Pattern: self = .gpt2
    case Self.llama3Pattern(digits: #"\p{N}{1,3}"#): self = .llama3(digitLimit: 3)
    case Self.llama3Pattern(digits: #"\p{N}"#): self = .llama3(digitLimit: 1)
    default: return nil
    }
  }

  private static let gpt2Pattern =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  private static func llama3Pattern(digits: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }
}

/// Cuts text into words by a rule.
struct WordScanner: Sendable {
  let rule: SplitRule
  private let classes = ScalarClasses.shared

  init(_ rule: SplitRule) { self.rule = rule }

  /// Where the word that starts at `start` ends; after `start`, for the text is not empty there.
  @inline(__always) func wordEnd(_ text: Span<UInt8>, from start: Int) -> Int {
    switch rule {
    case .gpt2: gpt2WordEnd(text, from: start)
    case .llama3(let digitLimit): llama3WordEnd(text, from: start, digitLimit: digitLimit)
    case .digits(let individually): digitsWordEnd(text, from: start, individually: individually)
    }
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

  /// `\s+(?!\S)|\s+` at a space: the run, without its last character if a word follows, which takes that one along.
  func spaceEnd(_ text: Span<UInt8>, from start: Int) -> Int {
    let end = runEnd(text, of: .space, from: start)
    guard end < text.count else { return end }
    let last = scalarStart(text, before: end)
    return last > start ? last : end
  }

  private func digitsWordEnd(_ text: Span<UInt8>, from start: Int, individually: Bool) -> Int {
    guard let first = peek(text, at: start) else { return start }
    if first.class == .number { return individually ? start + first.length : runEnd(text, of: .number, from: start) }
    var end = start + first.length
    while let next = peek(text, at: end), next.class != .number { end += next.length }
    return end
  }
}
