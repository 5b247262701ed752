/// The `tokenizer.json` of a trained vocabulary, as the `tokenizers` library reads it: no normalization, GPT-2's way of
/// splitting, merges in the older spelling, which every version understands.
enum TokenizerFile {
  /// - Parameters:
  ///   - tokens: token texts by id; the first is the end of text.
  ///   - merges: pairs of ids in the order of merging.
  static func json(tokens: [[UInt8]], merges: [TokenPair]) -> [UInt8] {
    let endOfText = quoted(tokens[0])
    let vocabulary = tokens.enumerated().map { "      \(quoted($1)): \($0)" }
    let pairs = merges.map { "      " + quoted(tokens[Int($0.left)] + [UInt8(ascii: " ")] + tokens[Int($0.right)]) }
    let text = """
      {
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [
          {"id": 0, "content": \(endOfText), "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}
        ],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
          "type": "BPE",
          "dropout": null,
          "unk_token": null,
          "continuing_subword_prefix": null,
          "end_of_word_suffix": null,
          "fuse_unk": false,
          "byte_fallback": false,
          "ignore_merges": false,
          "vocab": {
      \(vocabulary.joined(separator: ",\n"))
          },
          "merges": [
      \(pairs.joined(separator: ",\n"))
          ]
        }
      }

      """
    return Array(text.utf8)
  }

  /// A token's text as a JSON string. The byte alphabet has no control characters.
  private static func quoted(_ text: [UInt8]) -> String {
    let escaped = text.flatMap { byte in
      byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") ? [UInt8(ascii: "\\"), byte] : [byte]
    }
    return "\"" + String(decoding: escaped, as: UTF8.self) + "\""
  }
}
