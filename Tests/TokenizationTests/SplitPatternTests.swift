import Testing
import Tokenization

/// Regular expressions that tokenizers split with.
struct SplitPatternTests {
  struct PatternCase: CustomTestStringConvertible, Sendable {
    let pattern: String
    let words: SplitCase
    var testDescription: String { pattern }

    init(_ pattern: String, _ words: SplitCase) {
      self.pattern = pattern
      self.words = words
    }
  }

  static let o200k =
    #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"#
    + #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"#
    + #"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  /// Words by hand from the pattern.
  static let cases = [
    PatternCase(o200k, SplitCase("camel", "Case", "'HTTPServer", " it's", "12", ".\n/", "x")),
    PatternCase("a|ab", SplitCase("a", "b", "a")), PatternCase("ab|a", SplitCase("ab", "a")),
    PatternCase("a+?b", SplitCase("aaab", "c")), PatternCase("a{2,3}", SplitCase("aaa", "aa", "-", "aaa")),
    PatternCase("a{2,}", SplitCase("aaaaa", "ba")), PatternCase("(?:ab){2}", SplitCase("abab", "ab")),
    PatternCase("a(?=b)", SplitCase("a", "bac")), PatternCase("a(?!b)", SplitCase("ab", "a", "c")),
    PatternCase("(?i:k[a-c])x", SplitCase("KBx", "Kbx", "kbXy")), PatternCase("[^a-c]", SplitCase("ab", "d", "c", "-")),
    PatternCase(#"[\w\-]+"#, SplitCase("a-b_1", " ", "é")), PatternCase(#"\W"#, SplitCase("ab", " ", "½x")),
    PatternCase(#"[^\W\d]+"#, SplitCase("ab", "12½", "cd")),
    PatternCase("^a|b$", SplitCase("a", "a\n", "a", "b", "\n", "b")),
    PatternCase(#"\Aa|b\z"#, SplitCase("a", "ab", "b")), PatternCase(#"\P{L}|\p{^N}"#, SplitCase("a", "1", "é")),
    PatternCase(#"\x{1F600}|\u00e9|\x41"#, SplitCase("😀", "a", "é", "A")), PatternCase("a.c", SplitCase("abc", "a\nc")),
    PatternCase("[]a]+", SplitCase("a]", "b")), PatternCase("(a|b)*c", SplitCase("abbac", "ab")),
  ]

  @Test("the words of a pattern", arguments: cases)
  func splits(item: PatternCase) throws {
    #expect(try item.words.pieces(of: SplitCase.split(item.pattern)) == item.words.words)
  }

  @Test("GPT-2's pattern splits alike when it is scanned by hand and when it is not", arguments: SplitCase.gpt2)
  func equalsScanner(item: SplitCase) throws {
    let pattern = #"(?:'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"#
    #expect(try item.pieces(of: SplitCase.split(pattern)) == item.words)
  }

  @Test("matches, the rest or both go on")
  func keeps() throws {
    func text(_ behavior: String, inverted: Bool) throws -> String {
      let tokenizer = try SmallTokenizer.tokenizer {
        $0["pre_tokenizer"] = SplitCase.split("a+", behavior: behavior, inverted: inverted)
      }
      return tokenizer.decode(tokenizer.encode("aabcab"))
    }
    #expect(try text("Isolated", inverted: false) == "aabcab")
    #expect(try text("Isolated", inverted: true) == "aabcab")
    #expect(try text("Removed", inverted: false) == "bcb")
    #expect(try text("Removed", inverted: true) == "aaa")
  }

  @Test("a text may be the pattern")
  func literal() throws {
    let item = SplitCase("a", ".", "b", ".", ".", "c")
    #expect(try item.pieces(of: SplitCase.split(".", kind: "String")) == item.words)
  }

  @Test(
    "what is wrong or not known is refused with the pattern",
    arguments: [
      "(", ")", "(a", "a)", "[a", "[", "*", "a**", "a{", "a{2", "a{,2}", "a{3,2}", "a{2}?", "a++", "x{20000}",
      "(?:x{500}){500}", "(?<=a)b", "(?<n>a)", "(?i)a", #"\h"#, #"\b"#, #"\1"#, #"\p{Han}"#, #"\pL"#, #"\p{L"#,
      "[[:alpha:]]",
      "[z-a]", #"[a-\d]"#, "[a&&b]", #"\"#, #"\x{}"#, #"\xg"#, #"\x{123456789}"#, String(repeating: "(", count: 10_000),
    ])
  func refuses(pattern: String) throws {
    let error = #expect(throws: TokenizerError.self) {
      try SmallTokenizer.tokenizer { $0["pre_tokenizer"] = SplitCase.split(pattern) }
    }
    #expect(error?.code == .unsupported)
    #expect(error?.message.contains("split pattern") == true)
  }

  @Test(
    "a pattern that tries everything ends soon all the same", arguments: ["(a*)*b", "(a|a)*b", "(a|aa)+$", "(.*.*.*)x"])
  func staysLinear(pattern: String) throws {
    let tokenizer = try SmallTokenizer.tokenizer { $0["pre_tokenizer"] = SplitCase.split(pattern) }
    let text = String(repeating: "a", count: 200) + "c"
    let clock = ContinuousClock()
    let time = clock.measure { #expect(tokenizer.decode(tokenizer.encode(text)) == text) }
    #expect(time < .seconds(5))
  }

  @Test("a pattern of very many alternatives is refused soon")
  func manyAlternatives() {
    let pattern = Array(repeating: "'s", count: 60_000).joined(separator: "|")
    let time = ContinuousClock().measure {
      let error = #expect(throws: TokenizerError.self) {
        try SmallTokenizer.tokenizer { $0["pre_tokenizer"] = SplitCase.split(pattern) }
      }
      #expect(error?.message.contains("too large") == true)
    }
    #expect(time < .seconds(5), "in time that grows with their square it would be 30 s")
  }
}
