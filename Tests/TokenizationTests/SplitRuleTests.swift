import Testing
import Tokenization

struct SplitRuleTests {
  @Test("the words of GPT-2's rule", arguments: SplitCase.gpt2)
  func splitsLikeGPT2(item: SplitCase) throws {
    #expect(try item.pieces(of: SplitCase.byteLevel()) == item.words)
  }

  @Test("the words of Llama 3's rule", arguments: SplitCase.llama3)
  func splitsLikeLlama3(item: SplitCase) throws {
    #expect(try item.pieces(of: SplitCase.split(SplitCase.llama3Pattern(digits: #"\p{N}{1,3}"#))) == item.words)
  }

  @Test("the words of Qwen 2's rule", arguments: SplitCase.qwen2)
  func splitsLikeQwen2(item: SplitCase) throws {
    #expect(try item.pieces(of: SplitCase.split(SplitCase.llama3Pattern(digits: #"\p{N}"#))) == item.words)
  }

  @Test("digits apart from the rest, together or one by one")
  func splitsDigits() throws {
    let together = SplitCase("ab", "123", "²", "c").joiningDigits
    #expect(try together.pieces(of: SplitCase.digits(individually: false)) == together.words)
    let apart = SplitCase("ab", "1", "2", "²", "c")
    #expect(try apart.pieces(of: SplitCase.digits(individually: true)) == apart.words)
  }

  @Test("a prefix space is added where there is none")
  func addsPrefixSpace() throws {
    let tokenizer = try SmallTokenizer.tokenizer { root in
      root["pre_tokenizer"] = ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true]
    }
    #expect(tokenizer.decode(tokenizer.encode("cat")) == " cat")
    #expect(tokenizer.decode(tokenizer.encode(" cat")) == " cat")
    #expect(tokenizer.encode("") == [])
  }

  @Test("without a rule the whole text is one word")
  func splitsNothing() throws {
    let item = SplitCase("it's 1 text, all of it")
    #expect(try item.pieces(of: SplitCase.byteLevel(usesRegex: false)) == item.words)
  }
}

/// A text and its words, by hand from the pattern.
struct SplitCase: CustomTestStringConvertible, Sendable {
  let words: [String]

  init(_ words: String...) { self.words = words }
  private init(words: [String]) { self.words = words }

  var testDescription: String { words.joined(separator: "|").debugDescription }

  /// Numbers that follow each other as one word.
  var joiningDigits: SplitCase { SplitCase(words: [words[0], words[1] + words[2], words[3]]) }

  static let gpt2 = [
    SplitCase("Hello", ",", " world", "!"), SplitCase("it", "'s", " they", "'ll", " I", "'", "M"),
    SplitCase("a", "  ", " b"), SplitCase("a", " \n", " b"), SplitCase("a", " ", "\n", "b"), SplitCase("x", "  "),
    SplitCase("12345", " 67"), SplitCase("don", "’", "t"), SplitCase("a", "\n", "\n", "b"), SplitCase("\t", "\t", "x"),
    SplitCase(" ", " '", "s"), SplitCase("é", "\u{301}", "x"), SplitCase("中文", "。", "字"), SplitCase("a", "\u{a0}", "b"),
    SplitCase("½²Ⅷ٣", "x"),
  ]

  static let llama3 = [
    SplitCase("Hello", ",", " world", "!"), SplitCase("it", "'s", " I", "'LL", "x"), SplitCase("123", "45"),
    SplitCase(" ", "123"), SplitCase("(abc", ")"), SplitCase("x", ".\n\n", "y"), SplitCase("x", " \n\n", " ", " y"),
    SplitCase("x", "\n\n", " y"),
    SplitCase("\ty"), SplitCase("a", "\n\n", "b"), SplitCase("'ſ", "x"), SplitCase("x", " \r\n"), SplitCase("\n", "a"),
    SplitCase(" '", "x"),
  ]

  static let qwen2 = [SplitCase("1", "2", "٣"), SplitCase("a", "1", " ", "2"), SplitCase(" b", "!!\n")]
}

extension SplitCase {
  static func byteLevel(usesRegex: Bool = true) -> [String: Any] {
    ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": usesRegex]
  }

  static func split(
    _ pattern: String, behavior: String = "Isolated", inverted: Bool = false, kind: String = "Regex"
  ) -> [String: Any] {
    let step: [String: Any] = [
      "type": "Split", "pattern": [kind: pattern], "behavior": behavior, "invert": inverted,
    ]
    return ["type": "Sequence", "pretokenizers": [step, byteLevel(usesRegex: false)]]
  }

  static func digits(individually: Bool) -> [String: Any] {
    let step: [String: Any] = ["type": "Digits", "individual_digits": individually]
    return ["type": "Sequence", "pretokenizers": [step, byteLevel(usesRegex: false)]]
  }

  static func llama3Pattern(digits: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// What a tokenizer makes of the text that knows exactly the words, as wholes, and single bytes.
  func pieces(of preTokenizer: [String: Any]) throws -> [String] {
    let bytes = try SmallTokenizer.train(size: 257)
    let names = Set(words.map { bytes.encode($0).compactMap(bytes.token).joined() }).filter { $0.count > 1 }
    let json = try SmallTokenizer.json { root in
      var vocabulary: [String: Int] = [:]
      for id in 0..<257 { vocabulary[bytes.token(Int32(id)) ?? ""] = id }
      for (index, name) in names.sorted().enumerated() { vocabulary[name] = 257 + index }
      root["model"] = ["type": "BPE", "vocab": vocabulary, "merges": [String](), "ignore_merges": true]
      root["pre_tokenizer"] = preTokenizer
    }
    let tokenizer = try Tokenizer(contentsOf: json)
    return tokenizer.encode(words.joined()).map { tokenizer.decode([$0]) }
  }
}
