import Testing
import Tokenization

struct EncodingTests {
  @Test(
    "every text comes back from its tokens",
    arguments: [
      "", " ", "a", "\n\n", "The cat's mat.", "e\u{301} \u{212b}", "👨‍👩‍👧 中文 \u{0}\u{7f}", "<|endoftext|>", "'", " '",
      "x '",
    ])
  func restores(text: String) throws {
    let tokenizer = try SmallTokenizer.train()
    #expect(Array(tokenizer.decode(tokenizer.encode(text)).utf8) == Array(text.utf8))
  }

  @Test("bytes that are not UTF-8 come back, and leave their neighbours alone")
  func keepsInvalidBytes() throws {
    for normalizer in [nil, ["type": "NFC"]] as [[String: String]?] {
      let tokenizer = try SmallTokenizer.tokenizer { $0["normalizer"] = normalizer }
      for invalid: [UInt8] in [
        [0xff], [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf5, 0x80], [0x80, 0xbf], [0xc0, 0xaf],
      ] {
        let text = Array("the cat".utf8) + invalid + Array(" sat".utf8)
        let ids = tokenizer.encode(bytes: text)
        #expect(tokenizer.decodedBytes(ids) == text)
        #expect(ids.starts(with: tokenizer.encode("the cat")))
        #expect(ids.suffix(1) == tokenizer.encode(" sat"))
      }
    }
  }

  @Test("a mark after a byte that is not UTF-8 does not change it")
  func keepsInvalidByteBeforeMark() throws {
    let tokenizer = try SmallTokenizer.tokenizer { $0["normalizer"] = ["type": "NFC"] }
    let text = [0xff] + Array("\u{301}e\u{301}".utf8) + [0xc3] + Array("\u{302}".utf8)
    let normal = [0xff] + Array("\u{301}\u{e9}".utf8) + [0xc3] + Array("\u{302}".utf8)
    #expect(tokenizer.decodedBytes(tokenizer.encode(bytes: text)) == normal)
  }

  @Test(
    "the lowest rank is merged first, the leftmost of equals",
    arguments: [
      ("aaa", ["aa", "a"]), ("aaaaa", ["aaaa", "a"]), ("abc", ["a", "bc"]), ("abcd", ["a", "bcd"]),
      ("xabc", ["xa", "bc"]),
      ("bcbc", ["bc", "bc"]), ("ab", ["ab"]), ("abab", ["ab", "ab"]),
    ])
  func mergesInOrder(text: String, pieces: [String]) throws {
    let json = try SmallTokenizer.modelChanged { model in
      var vocabulary = (model["vocab"] as? [String: Int] ?? [:]).filter { $0.key.unicodeScalars.count == 1 }
      for token in ["bc", "aa", "ab", "xa", "aaaa", "bcd"] { vocabulary[token] = 300 + vocabulary.count }
      model["vocab"] = vocabulary
      model["merges"] = ["b c", "a a", "a b", "x a", "aa aa", "bc d"]
    }
    let tokenizer = try Tokenizer(contentsOf: json)
    #expect(tokenizer.encode(text).map { tokenizer.decode([$0]) } == pieces)
  }

  @Test("a stream holds a character back until it is whole", arguments: ["é", "€", "😀", "a€b", "e\u{301}"])
  func streams(text: String) throws {
    let tokenizer = try SmallTokenizer.train("", size: 257)
    var decoder = TokenStreamDecoder(tokenizer)
    let pieces = tokenizer.encode(text).map { decoder.append($0) }
    #expect(pieces.filter { !$0.isEmpty }.joined() == text)
    #expect(pieces.filter { !$0.isEmpty }.flatMap(\.unicodeScalars).count == text.unicodeScalars.count)
    #expect(decoder.finish() == "")
    for id in tokenizer.encode("😀").dropLast() { #expect(decoder.append(id) == "") }
    #expect(decoder.finish() == "\u{fffd}")
  }

  @Test("random bytes come back")
  func restoresRandomBytes() throws {
    let tokenizer = try SmallTokenizer.train()
    var state: UInt64 = 1
    for length in 0..<300 {
      let bytes = (0..<length).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 40)
      }
      #expect(tokenizer.decodedBytes(tokenizer.encode(bytes: bytes)) == bytes)
    }
  }

  @Test("a word of a million letters is encoded in a moment")
  func longWord() throws {
    let tokenizer = try SmallTokenizer.train(String(repeating: "aaaa bbbb ", count: 100))
    let text = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
    let clock = ContinuousClock()
    var ids: [Int32] = []
    let time = clock.measure { ids = tokenizer.encode(bytes: text) }
    #expect(tokenizer.decodedBytes(ids) == text)
    #expect(ids.count == 250_000)
    #expect(time < .seconds(5))
  }
}
