import Foundation
import Testing
import Tokenization

/// Files that are no good end in an error that says why, never in a trap.
struct HostileTokenizerTests {
  private func message(_ json: [UInt8]) -> String {
    do throws(TokenizerError) {
      _ = try Tokenizer(contentsOf: json)
      return "loads"
    } catch {
      return error.message
    }
  }

  @Test("a file cut anywhere is refused")
  func truncated() throws {
    let json = try SmallTokenizer.train().jsonData()
    for end in stride(from: 0, to: json.count - 2, by: 97) {
      #expect(message(Array(json[..<end])).hasPrefix("not JSON"), "cut at \(end)")
    }
  }

  @Test("a file with a damaged byte loads or is refused")
  func damaged() throws {
    let json = try SmallTokenizer.train().jsonData()
    for position in stride(from: 0, to: json.count, by: 41) {
      for byte: UInt8 in [0, 0x22, 0x39, 0x7b, 0xff] {
        var copy = json
        copy[position] = byte
        if let tokenizer = try? Tokenizer(contentsOf: copy) { _ = tokenizer.encode("The cat sat.") }
      }
    }
  }

  @Test(
    "what is not JSON is refused",
    arguments: [
      "", " ", "{", "[1,", "nul", "{\"a\":1}x", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\q\"", "{1:2}",
      "{\"a\" 1}",
      "-", "1e", "1.", "00", "-01", "1e+", "1e999", "\"\u{1}\"", String(repeating: "[", count: 100_000),
      String(repeating: "{\"a\":", count: 100_000),
    ])
  func notJSON(text: String) { #expect(message(Array(text.utf8)).hasPrefix("not JSON")) }

  @Test("a string that is not UTF-8 is refused")
  func notUTF8() { #expect(message([0x22, 0xff, 0x22]).hasPrefix("not JSON")) }

  @Test(
    "JSON that is no tokenizer is refused", arguments: ["1", "[]", "{}", "null", "{\"model\": []}", "{\"model\": {}}"])
  func noTokenizer(text: String) { #expect(message(Array(text.utf8)) != "loads") }

  @Test("absurd ids are refused by name", arguments: [-1, 1 << 22, .max] + [5])
  func absurdID(id: Int) throws {
    let json = try SmallTokenizer.modelChanged({ model in
      var vocabulary = model["vocab"] as? [String: Any] ?? [:]
      vocabulary["new"] = id
      model["vocab"] = vocabulary
    })
    #expect(message(json).contains("id \(id)"))
  }

  @Test("ids that are no integers are refused", arguments: ["1.5", "1e3", "\"1\"", "null", "99999999999999999999"])
  func noInteger(id: String) {
    #expect(message(Array(#"{"model": {"vocab": {"a": \#(id)}, "merges": []}}"#.utf8)).contains("is not an integer"))
  }

  @Test("a token given twice is refused")
  func duplicateToken() {
    #expect(message(Array(#"{"model": {"vocab": {"a": 0, "a": 1}, "merges": []}}"#.utf8)).contains("twice"))
    #expect(message(Array(#"{"model": {"vocab": {}}, "model": {}}"#.utf8)).contains("twice"))
  }

  @Test("tokens that are canonically equivalent are different tokens")
  func equivalentTokens() throws {
    let tokenizer = try SmallTokenizer.tokenizer { root in
      root["added_tokens"] = [SmallTokenizer.added("\u{3ac}", id: 400), SmallTokenizer.added("\u{1f71}", id: 401)]
    }
    #expect(tokenizer.encode("\u{3ac}\u{1f71}") == [400, 401])
  }

  @Test("a merge that is no pair of known tokens is refused by number")
  func badMerge() throws {
    for merge: Any in [
      "a", "a b c", 7, ["a"], ["a", 1], ["a", "b", "c"], "nowhere a", "a nowhere", "! ~", [String](),
    ] {
      let json = try SmallTokenizer.modelChanged({ $0["merges"] = ["t h", merge] })
      #expect(message(json).contains("merges[1]") || message(json).contains("merges[0]"), "\(merge)")
    }
    #expect(message(try SmallTokenizer.modelChanged({ $0["merges"] = "a b" })).contains("merges is not an array"))
  }

  @Test("added tokens that contradict the vocabulary or each other are refused")
  func badAddedTokens() throws {
    let wrong: [[[String: Any]]] = [
      [SmallTokenizer.added("!", id: 2)], [SmallTokenizer.added("new", id: 1)], [SmallTokenizer.added("new", id: -3)],
      [SmallTokenizer.added("", id: 400)], [SmallTokenizer.added("x<", id: 400), SmallTokenizer.added("x<", id: 400)],
      [SmallTokenizer.added("x<", id: 400), SmallTokenizer.added("y<", id: 400)], [["id": 400]], [["content": "x<"]],
      [SmallTokenizer.added("new", id: 1 << 40)],
    ]
    for tokens in wrong {
      #expect(message(try SmallTokenizer.json { $0["added_tokens"] = tokens }) != "loads", "\(tokens)")
    }
  }

  @Test("what cannot be honoured is refused by name")
  func unsupported() throws {
    let changes: [(String, (inout [String: Any]) -> Void)] = [
      ("truncation", { $0["truncation"] = ["max_length": 5] }),
      ("padding", { $0["padding"] = ["pad_id": 5] }),
      ("Lowercase", { $0["normalizer"] = ["type": "Lowercase"] }),
      ("NFKC", { $0["normalizer"] = ["type": "Sequence", "normalizers": [["type": "NFC"], ["type": "NFKC"]]] }),
      ("Metaspace", { $0["pre_tokenizer"] = ["type": "Metaspace"] }),
      ("ByteLevel", { $0["pre_tokenizer"] = NSNull() }),
      ("(?<=a)b", { $0["pre_tokenizer"] = SplitCase.split("(?<=a)b") }),
      ("MergedWithNext", { $0["pre_tokenizer"] = SplitCase.split("a", behavior: "MergedWithNext") }),
      ("BertProcessing", { $0["post_processor"] = ["type": "BertProcessing"] }),
      ("Metaspace", { $0["decoder"] = ["type": "Metaspace"] }),
      ("decoder", { $0["decoder"] = NSNull() }),
    ]
    for (name, change) in changes {
      #expect(message(try SmallTokenizer.json(change)).contains(name), "\(name)")
    }
    let models: [(String, (inout [String: Any]) -> Void)] = [
      ("WordPiece", { $0["type"] = "WordPiece" }), ("dropout", { $0["dropout"] = 0.1 }),
      ("##", { $0["continuing_subword_prefix"] = "##" }), ("</w>", { $0["end_of_word_suffix"] = "</w>" }),
    ]
    for (name, change) in models {
      #expect(message(try SmallTokenizer.modelChanged(change)).contains(name), "\(name)")
    }
  }

  @Test("a list of tokens around a text that is named again and again is refused, not multiplied")
  func repeatedTemplate() throws {
    let count = 3_000
    let json = try SmallTokenizer.json { root in
      root["post_processor"] = [
        "type": "TemplateProcessing",
        "single": [["Sequence": ["id": "A"]]] + Array(repeating: ["SpecialToken": ["id": "s"]], count: count),
        "special_tokens": ["s": ["id": "s", "ids": Array(repeating: 0, count: count)] as [String: Any]],
      ]
    }
    #expect(message(json).contains("puts more than 4096 tokens around a text"))
  }

  @Test("an id that no token has decodes to nothing")
  func unknownIDs() throws {
    let tokenizer = try SmallTokenizer.train()
    #expect(tokenizer.decode([-1, .min, .max, 1_000_000]) == "")
    #expect(tokenizer.token(-1) == nil)
  }
}
