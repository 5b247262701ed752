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
