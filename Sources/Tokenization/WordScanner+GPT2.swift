extension WordScanner {
  /// The alternatives of `SplitRule.gpt2Pattern` in their order.
  @inline(__always) func gpt2WordEnd(_ text: Span<UInt8>, from start: Int) -> Int {
    if text[start] == UInt8(ascii: "'"), let end = contractionEnd(text, after: start) { return end }
    // ` ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+`
    if text[start] == UInt8(ascii: " "), let next = peek(text, at: start + 1), next.class != .space {
      return runEnd(text, of: next.class, from: start + 1 + next.length)
    }
    guard let first = peek(text, at: start) else { return start }
    if first.class != .space { return runEnd(text, of: first.class, from: start + first.length) }
    return spaceEnd(text, from: start)
  }

  /// `\s+(?!\S)|\s+` at a space: the run, without its last character if a word follows, which takes that one along.
  private func spaceEnd(_ text: Span<UInt8>, from start: Int) -> Int {
    let end = runEnd(text, of: .space, from: start)
    guard end < text.count else { return end }
    let last = scalarStart(text, before: end)
    return last > start ? last : end
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d` at an apostrophe.
  private func contractionEnd(_ text: Span<UInt8>, after apostrophe: Int) -> Int? {
    let position = apostrophe + 1
    guard position < text.count else { return nil }
    let second = position + 1 < text.count ? text[position + 1] : 0
    switch (text[position], second) {
    case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _), (UInt8(ascii: "d"), _):
      return position + 1
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
      (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return position + 2
    default: return nil
    }
  }
}
