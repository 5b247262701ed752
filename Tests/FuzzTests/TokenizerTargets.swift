import Checkpoints
import TestSupport
import Tokenization

/// `tokenizer.json`, and the regular expressions in it.
enum TokenizerTargets {
  static let all = [tokenizer, splitPattern]

  private static let text = "ab the the\u{301} 12345 ab!\r\n  é\u{1f600} <s>aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

  private static let tokenizer = FuzzTarget(
    "tokenizer.json", refusal: TokenizerError.self,
    seeds: FuzzTargets.bytes([
      file(preTokenizer: #"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#),
      file(
        preTokenizer: #"{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},"#
          + #"{"type":"Split","pattern":{"Regex":"\\p{L}+|\\s+(?!\\S)|[^a-c]"},"behavior":"Isolated","invert":false},"#
          + #"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}"#,
        normalizer: #"{"type":"Sequence","normalizers":[{"type":"NFC"}]}"#,
        postProcessor: #"{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},"#
          + #"{"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},"#
          + #"{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{"<s>":{"id":"<s>","ids":[9],"tokens":["<s>"]}}}"#),
    ]),
    words: [
      "added_tokens", "vocab", "merges", "\"a b\"", "[\"a\",\"b\"]", "NFC", "NFKC", "lstrip", "ignore_merges", "Regex",
      "String", "Removed", "truncation", "byte_fallback", "4194303", "60000", "Ġ",
    ]
  ) { input in try use(try Tokenizer(contentsOf: input), json: input) }

  private static let splitPattern = FuzzTarget(
    "split pattern", refusal: TokenizerError.self,
    seeds: FuzzTargets.bytes([
      #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#,
      #"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"#,
      #"[\x{4e00}-\x{9fa5}]+|(a|b)*?c|^\w+$|\A.\z|[^\u0041]"#,
    ]),
    words: [
      "(", ")", "(?:", "(?=", "(?!", "(?i:", "|", "*", "+", "?", "{2,3}", "{100}", "{0,}", "*+", "[^", "]", "\\p{L}",
      "\\P{^Lu}", "\\w", "\\x{110000}", "\\uffff", "^", "$", ".", "(a*)*", "(a|aa)+$", "(a+)+", "&&", "-", "\\",
    ]
  ) { input in
    let pattern = JSONValue.string(String(decoding: input, as: UTF8.self)).description
    let json = file(
      preTokenizer: #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":\#(pattern)},"#
        + #""behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]}"#
    )
    try use(try Tokenizer(contentsOf: Array(json.utf8)), json: Array(json.utf8))
  }

  /// A tokenizer with few tokens; the characters of the others encode to nothing.
  private static func file(preTokenizer: String, normalizer: String = "null", postProcessor: String = "null") -> String
  {
    #"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{"id":9,"content":"<s>","single_word":false,"#
      + #""lstrip":true,"rstrip":false,"normalized":false,"special":true}],"normalizer":\#(normalizer),"#
      + #""pre_tokenizer":\#(preTokenizer),"post_processor":\#(postProcessor),"#
      + #""decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},"#
      + #""model":{"type":"BPE","dropout":null,"unk_token":null,"byte_fallback":false,"ignore_merges":false,"#
      + #""vocab":{"a":0,"b":1,"ab":2,"Ġ":3,"Ġab":4,"1":5,"Ċ":6,"aa":7,"!":8},"merges":["a b","Ġ ab","a a"]}}"#
  }

  private static func use(_ tokenizer: Tokenizer, json: [UInt8]) throws {
    let ids = tokenizer.encode(text)
    try hold(ids.allSatisfy { tokenizer.token($0) != nil }, "it encodes to ids that no token has: \(ids)")
    try hold(ids.allSatisfy { Int($0) < tokenizer.vocabularySize }, "it encodes to ids beyond its size: \(ids)")
    _ = tokenizer.decode(ids)
    try hold(tokenizer.jsonData() == json, "it has another file than it was read from")
  }
}
