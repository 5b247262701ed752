import Testing
import Tokenization

struct AddedTokenTests {
  /// The small tokenizer with one more token, `id` 400.
  private func tokenizer(
    _ content: String, special: Bool = false, normalized: Bool = false, singleWord: Bool = false,
    lstrip: Bool = false, rstrip: Bool = false, normalizer: String? = nil
  ) throws -> Tokenizer {
    try SmallTokenizer.tokenizer { root in
      root["added_tokens"] = [
        SmallTokenizer.added("<|endoftext|>", id: 0, special: true),
        SmallTokenizer.added(
          content, id: 400, special: special, normalized: normalized, singleWord: singleWord, lstrip: lstrip,
          rstrip: rstrip),
      ]
      if let normalizer { root["normalizer"] = ["type": normalizer] }
    }
  }

  @Test("a token is found in the middle of a word")
  func foundInside() throws {
    let tokenizer = try tokenizer("<x>")
    #expect(tokenizer.vocabularySize == 401)
    #expect(tokenizer.encode("a<x>b") == tokenizer.encode("a") + [400] + tokenizer.encode("b"))
    #expect(tokenizer.decode(tokenizer.encode("a<x><x>b<x")) == "a<x><x>b<x")
  }

  @Test("a token outside of the byte alphabet stands for itself", arguments: ["a b", "中", "<é 中>"])
  func outsideAlphabet(content: String) throws {
    let tokenizer = try tokenizer(content)
    #expect(tokenizer.decode(tokenizer.encode("x\(content)y")) == "x\(content)y")
  }

  @Test("of two tokens that begin alike the longer is found")
  func longest() throws {
    let tokenizer = try SmallTokenizer.tokenizer { root in
      root["added_tokens"] = [
        SmallTokenizer.added("<a>", id: 400), SmallTokenizer.added("<a><b>", id: 401),
        SmallTokenizer.added("<b><a>", id: 402),
      ]
    }
    #expect(tokenizer.encode("<a><b><a>") == [401, 400])
    #expect(tokenizer.encode("<a><a>") == [400, 400])
  }

  @Test("a token that strips takes the spaces beside it")
  func strips() throws {
    let left = try tokenizer("<x>", lstrip: true)
    #expect(left.encode("a \n<x> b") == left.encode("a") + [400] + left.encode(" b"))
    let right = try tokenizer("<x>", rstrip: true)
    #expect(right.encode("a <x>\u{a0}\tb") == right.encode("a ") + [400] + right.encode("b"))
    #expect(right.encode("<x>  <x>") == [400, 400])
  }

  @Test("a single word is not found inside a longer one")
  func singleWord() throws {
    let tokenizer = try tokenizer("dog", singleWord: true)
    #expect(tokenizer.encode("dog").first == 400)
    #expect(tokenizer.encode("(dog)").contains(400))
    for text in ["dogs", "hotdog", "dog_", "édog", "1dog"] { #expect(!tokenizer.encode(text).contains(400), "\(text)") }
    #expect(!tokenizer.encode("dog\u{301}").contains(400))
  }

  @Test("a normalized token is found in any spelling, another only in its own")
  func normalized() throws {
    let (composed, decomposed) = ("<\u{e9}>", "<e\u{301}>")
    let normalized = try tokenizer(decomposed, normalized: true, normalizer: "NFC")
    #expect(normalized.encode(composed) == [400])
    #expect(normalized.encode(decomposed) == [400])
    let literal = try tokenizer(decomposed, normalizer: "NFC")
    #expect(literal.encode(composed) != [400])
    #expect(literal.encode(decomposed) == [400])
  }

  @Test("special tokens are left out of text on request, others are not")
  func skips() throws {
    let tokenizer = try tokenizer("<x>", special: true)
    #expect(tokenizer.decode(tokenizer.encode("a<x>b"), skipSpecialTokens: true) == "ab")
    let plain = try self.tokenizer("<x>")
    #expect(plain.decode(plain.encode("a<x>b<|endoftext|>"), skipSpecialTokens: true) == "a<x>b")
  }

  @Test("a template puts tokens around every text, unless told not to")
  func template() throws {
    let tokenizer = try SmallTokenizer.tokenizer { root in
      root["added_tokens"] = [
        SmallTokenizer.added("<s>", id: 400, special: true), SmallTokenizer.added("</s>", id: 401, special: true),
      ]
      let template: [String: Any] = [
        "type": "TemplateProcessing",
        "single": [
          ["SpecialToken": ["id": "<s>", "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]],
          ["SpecialToken": ["id": "</s>", "type_id": 0]],
        ],
        "pair": [[String: Any]](),
        "special_tokens": [
          "<s>": ["id": "<s>", "ids": [400], "tokens": ["<s>"]],
          "</s>": ["id": "</s>", "ids": [401], "tokens": ["</s>"]],
        ],
      ]
      root["post_processor"] = ["type": "Sequence", "processors": [["type": "ByteLevel"], template]]
    }
    let plain = tokenizer.encode("the cat", addSpecialTokens: false)
    #expect(tokenizer.encode("the cat") == [400] + plain + [401])
    #expect(tokenizer.encode("") == [400, 401])
    #expect(tokenizer.endOfText == 0)
  }
}
