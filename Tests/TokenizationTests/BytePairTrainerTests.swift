import Testing
import Tokenization

struct BytePairTrainerTests {
  private static let texts = [
    SmallTokenizer.sentences, "aaaaaaa aaaa aa a\naaaaaaaaaa", "abcabcabdabcab abab ba", "",
    "ab abc bc abcd bcd cd ab abc bc abcd", String(repeating: "mississippi missing sip ", count: 9),
  ]

  /// Words of few letters, in which pairs lose and gain and the same token is made in several ways.
  private static func babble(seed: Int) -> String {
    var state = UInt64(seed)
    func next(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    let letters = Array("abcd")
    return (0..<40).map { _ in String((0...next(8)).map { _ in letters[Int(next(2 + UInt64(seed) % 3))] }) }
      .joined(separator: " ")
  }

  /// The pairs in the order of merging, all pairs counted anew for each.
  ///
  /// - Parameters:
  ///   - words: every word as its tokens, a token as its bytes.
  ///   - order: the id of a single byte.
  private func naiveMerges(_ words: [[[UInt8]]], wanted: Int, order: ([UInt8]) -> Int) -> [[[UInt8]]] {
    var words = words
    var ids: [[UInt8]: Int] = [:]
    func id(_ token: [UInt8]) -> Int { ids[token] ?? order(token) }
    var merges: [[[UInt8]]] = []
    while ids.count < wanted {
      var counts: [[[UInt8]]: Int] = [:]
      for word in words {
        for (left, right) in zip(word, word.dropFirst()) { counts[[left, right], default: 0] += 1 }
      }
      let best = counts.filter { $0.value >= 2 }.min { a, b in
        (-a.value, id(a.key[0]), id(a.key[1])) < (-b.value, id(b.key[0]), id(b.key[1]))
      }
      guard let best else { break }
      let merged = best.key[0] + best.key[1]
      if ids[merged] == nil { ids[merged] = 257 + ids.count }
      merges.append(best.key)
      words = words.map { joined($0, best.key) }
    }
    return merges
  }

  private func joined(_ word: [[UInt8]], _ pair: [[UInt8]]) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var rest = word[...]
    while let token = rest.popFirst() {
      result.append(token == pair[0] && rest.first == pair[1] ? token + (rest.popFirst() ?? []) : token)
    }
    return result
  }

  @Test(
    "merges the same pairs as recounting everything each time",
    arguments: ["aaaaaaa aaaa aa a", "ab abc bc abcd bcd cd ab abc bc abcd"] + (1...20).map(Self.babble))
  func equalsNaive(text: String) throws {
    let words = text.split(separator: " ").enumerated().map { index, word in
      (index == 0 ? [] : [Array(" ".utf8)]) + word.utf8.map { [$0] }
    }
    let bytes = try SmallTokenizer.train("", size: 257)
    let expected = naiveMerges(words, wanted: 20) { token in Int(bytes.encode(bytes: token)[0]) }
    let tokenizer = try SmallTokenizer.train(text, size: 277)
    var made: [[UInt8]] = []
    for pair in expected where !made.contains(pair[0] + pair[1]) { made.append(pair[0] + pair[1]) }
    #expect((257..<tokenizer.vocabularySize).map { tokenizer.decodedBytes([Int32($0)]) } == made)
  }

  @Test("the tokenizer does not depend on how the text was divided", arguments: 1...4)
  func independentOfParts(parts: Int) throws {
    let lines = (Self.texts + Self.texts).map { Array($0.utf8) }
    var whole = WordCounts()
    for line in lines { whole.add(text: line) }
    var sum = WordCounts()
    for part in (0..<parts).reversed() {
      var counts = WordCounts()
      for line in lines[part * lines.count / parts..<(part + 1) * lines.count / parts] { counts.add(text: line) }
      sum.add(try WordCounts(serialized: counts.serialized()))
    }
    let trainer = try BytePairTrainer(vocabularySize: 400)
    #expect(try trainer.train(sum).jsonData() == trainer.train(whole).jsonData())
  }

  @Test("the end of text is token 0, and the bytes follow in the order of their characters")
  func alphabet() throws {
    let tokenizer = try SmallTokenizer.train("", size: 257)
    #expect(tokenizer.vocabularySize == 257)
    #expect(tokenizer.endOfText == 0)
    #expect(tokenizer.token(0) == "<|endoftext|>")
    #expect(tokenizer.encode("!~ <|endoftext|>") == [1, 94, 221, 0])
    #expect(tokenizer.decodedBytes(1..<257).sorted() == Array(0...255))
  }

  @Test("the end of text in the text is no word")
  func endOfText() throws {
    let tokenizer = try SmallTokenizer.train(String(repeating: "<|endoftext|>ab", count: 50), size: 300)
    #expect(tokenizer.vocabularySize == 258)
    #expect(tokenizer.encode("ab<|endoftext|>ab") == [257, 0, 257])
  }

  @Test("a text with few pairs makes a smaller vocabulary")
  func runsOut() throws {
    #expect(try SmallTokenizer.train("abab", size: 5000).vocabularySize == 258)
    #expect(try SmallTokenizer.train("abcdefg", size: 5000).vocabularySize == 257)
  }

  @Test("an impossible size is refused", arguments: [-1, 0, 256, 1 << 22, .max])
  func refusesSize(size: Int) {
    #expect(throws: TokenizerError.self) { try BytePairTrainer(vocabularySize: size) }
  }

  @Test("large counts and long words travel unharmed")
  func countsTravel() throws {
    var counts = WordCounts()
    counts.add(text: Array((String(repeating: "a ", count: 70_000) + String(repeating: "b", count: 20_000)).utf8))
    let copy = try WordCounts(serialized: counts.serialized())
    #expect(copy.count == counts.count)
    #expect(copy.serialized() == counts.serialized())
  }

  @Test("damaged word counts are refused")
  func damagedCounts() throws {
    var counts = WordCounts()
    counts.add(text: Array(SmallTokenizer.sentences.utf8))
    let bytes = counts.serialized()
    for end in [1, 2, bytes.count / 2, bytes.count - 1] where end != bytes.count {
      let part = try? WordCounts(serialized: Array(bytes[..<end]))
      #expect(part == nil || (part?.count ?? 0) < counts.count)
    }
    #expect(throws: TokenizerError.self) {
      try WordCounts(serialized: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    }
    #expect(throws: TokenizerError.self) { try WordCounts(serialized: [5, 1]) }
    #expect(try WordCounts(serialized: bytes).count == counts.count)
  }
}
