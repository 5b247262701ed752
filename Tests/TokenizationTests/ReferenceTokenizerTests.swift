import Foundation
import Testing
import Tokenization

/// Texts and what the `tokenizers` library makes of them.
@Suite(
  .enabled(
    if: SharedReference.url(SharedReference.tokenizerFolder) != nil,
    "skipped: no ../shared/reference-tokenizers beside the package"))
struct ReferenceTokenizerTests {
  struct Case: Decodable {
    let text: String
    let ids: [Int32]
    let idsWithoutSpecial: [Int32]
    let tokens: [String]
    let decoded: String
    let decodedWithoutSpecial: String

    enum CodingKeys: String, CodingKey {
      case text, ids, tokens, decoded
      case idsWithoutSpecial = "ids_no_special"
      case decodedWithoutSpecial = "decoded_skip_special"
    }
  }

  struct Cases: Decodable { let cases: [Case] }

  static func load(_ name: String) throws -> (Tokenizer, [Case]) {
    let folder = SharedReference.tokenizerFolder
    let cases = try JSONDecoder().decode(Cases.self, from: Data(SharedReference.bytes("\(folder)/cases.json")))
    return (try Tokenizer(contentsOf: SharedReference.bytes("\(folder)/\(name)")), cases.cases)
  }

  @Test("every reference text has the reference ids and tokens", arguments: ["tokenizer.json", "tokenizer.old.json"])
  func encodes(name: String) throws {
    let (tokenizer, cases) = try Self.load(name)
    #expect(cases.count > 200)
    for item in cases {
      let ids = tokenizer.encode(item.text)
      #expect(ids == item.ids, "\(item.text.debugDescription)")
      #expect(tokenizer.encode(item.text, addSpecialTokens: false) == item.idsWithoutSpecial)
      #expect(ids.map { tokenizer.token($0) ?? "?" }.map { Array($0.utf8) } == item.tokens.map { Array($0.utf8) })
    }
  }

  @Test("all reference ids decode to the reference text", arguments: ["tokenizer.json", "tokenizer.old.json"])
  func decodes(name: String) throws {
    let (tokenizer, cases) = try Self.load(name)
    for item in cases {
      #expect(Array(tokenizer.decode(item.ids).utf8) == Array(item.decoded.utf8))
      let withoutSpecial = tokenizer.decode(item.ids, skipSpecialTokens: true)
      #expect(Array(withoutSpecial.utf8) == Array(item.decodedWithoutSpecial.utf8))
    }
  }

  @Test("a stream of tokens becomes the same text, piece by piece")
  func streams() throws {
    let (tokenizer, cases) = try Self.load("tokenizer.json")
    for item in cases {
      var decoder = TokenStreamDecoder(tokenizer)
      var text = ""
      for id in item.ids {
        let piece = decoder.append(id)
        #expect(!piece.unicodeScalars.contains("\u{fffd}") || item.text.unicodeScalars.contains("\u{fffd}"))
        text += piece
      }
      text += decoder.finish()
      #expect(Array(text.utf8) == Array(item.decoded.utf8))
    }
  }

  @Test("an encoder that remembers words gives the same ids as one that does not")
  func remembers() throws {
    let (tokenizer, cases) = try Self.load("tokenizer.json")
    var encoder = TokenEncoder(tokenizer)
    for item in cases + cases {
      var ids: [Int32] = []
      encoder.encode(Array(item.text.utf8), into: &ids)
      #expect(ids == item.ids, "\(item.text.debugDescription)")
    }
  }

  @Test("the file is kept byte for byte")
  func keepsFile() throws {
    let bytes = try SharedReference.bytes("\(SharedReference.tokenizerFolder)/tokenizer.json")
    let tokenizer = try Tokenizer(contentsOf: bytes)
    #expect(tokenizer.jsonData() == bytes)
    #expect(tokenizer.vocabularySize == 925)
    #expect(tokenizer.endOfText == 0)
  }
}
