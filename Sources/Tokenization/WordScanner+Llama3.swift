extension WordScanner {
  /// The alternatives of Llama 3's pattern in their order; see `SplitRule.llama3`.
  func llama3WordEnd(_ text: Span<UInt8>, from start: Int, digitLimit: Int) -> Int {
    guard let first = peek(text, at: start) else { return start }
    if text[start] == UInt8(ascii: "'"), let end = anyCaseContractionEnd(text, after: start) { return end }
    switch first.class {
    case .letter: return runEnd(text, of: .letter, from: start + first.length)
    case .number: return digitsEnd(text, from: start, limit: digitLimit)
    case .other, .space: break
    }
    // `[^\r\n\p{L}\p{N}]?\p{L}+`
    if !isNewline(text[start]), let next = peek(text, at: start + first.length), next.class == .letter {
      return runEnd(text, of: .letter, from: start + first.length + next.length)
    }
    // ` ?[^\s\p{L}\p{N}]+[\r\n]*`
    let symbols = text[start] == UInt8(ascii: " ") ? start + 1 : start
    if let next = peek(text, at: symbols), next.class == .other {
      return newlinesEnd(text, from: runEnd(text, of: .other, from: symbols + next.length))
    }
    return lineEnd(text, from: start) ?? spaceEnd(text, from: start)
  }

  private func isNewline(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") }

  private func newlinesEnd(_ text: Span<UInt8>, from start: Int) -> Int {
    var end = start
    while end < text.count && isNewline(text[end]) { end += 1 }
    return end
  }

  /// `\s*[\r\n]+`: through the last line end of the run of spaces, if it has one.
  private func lineEnd(_ text: Span<UInt8>, from start: Int) -> Int? {
    var end = runEnd(text, of: .space, from: start)
    while end > start && !isNewline(text[end - 1]) { end -= 1 }
    return end > start ? end : nil
  }

  private func digitsEnd(_ text: Span<UInt8>, from start: Int, limit: Int) -> Int {
    var end = start
    for _ in 0..<limit {
      guard let next = peek(text, at: end), next.class == .number else { break }
      end += next.length
    }
    return end
  }

  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)` at an apostrophe. Without regard to case, "ſ" (U+017F) is an s as well.
  private func anyCaseContractionEnd(_ text: Span<UInt8>, after apostrophe: Int) -> Int? {
    let position = apostrophe + 1
    guard position < text.count else { return nil }
    if text[position] == 0xc5, position + 1 < text.count, text[position + 1] == 0xbf { return position + 2 }
    let second = position + 1 < text.count ? text[position + 1] | 0x20 : 0
    switch (text[position] | 0x20, second) {
    case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
      return position + 1
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
      (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return position + 2
    default: return nil
    }
  }
}
