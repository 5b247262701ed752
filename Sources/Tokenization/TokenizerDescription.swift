/// What a `tokenizer.json` says, checked: whatever would change the ids is either understood or refused by name.
struct TokenizerDescription: Sendable {
  var vocabulary: Vocabulary
  let model: MergeModelDescription
  let addedTokens: [AddedToken]
  let composesCanonically: Bool
  let preTokenizer: PreTokenizerDescription
  let prefix: [Int32]
  let suffix: [Int32]

  init(_ root: JSONNode) throws(TokenizerError) {
    guard try root.member("truncation") == nil else { throw Self.unsupported("truncation", "is set") }
    guard try root.member("padding") == nil else { throw Self.unsupported("padding", "is set") }
    var vocabulary = Vocabulary()
    model = try MergeModelDescription(try root.required("model"), vocabulary: &vocabulary)
    addedTokens = try Self.addedTokens(try root.member("added_tokens"), vocabulary: &vocabulary)
    guard vocabulary.size > 0 else { throw TokenizerError(.malformed, "model.vocab is empty") }
    self.vocabulary = vocabulary
    composesCanonically = try Self.composesCanonically(try root.member("normalizer"))
    preTokenizer = try PreTokenizerDescription(try root.member("pre_tokenizer"))
    (prefix, suffix) = try Self.template(try root.member("post_processor"), vocabulary)
    try Self.checkDecoder(try root.required("decoder"))
  }

  static func unsupported(_ path: String, _ what: String) -> TokenizerError {
    TokenizerError(.unsupported, "\(path) \(what); only byte-level BPE tokenizers without it are supported")
  }

  /// The normalizers in a row: a `Sequence` is its parts, anything else itself.
  static func parts(_ node: JSONNode, named list: String) throws(TokenizerError) -> [JSONNode] {
    guard try node.required("type").string() == "Sequence" else { return [node] }
    var parts: [JSONNode] = []
    for part in try node.required(list).elements() { parts += try Self.parts(part, named: list) }
    return parts
  }

  private static func composesCanonically(_ node: JSONNode?) throws(TokenizerError) -> Bool {
    guard let node else { return false }
    let normalizers = try parts(node, named: "normalizers")
    for normalizer in normalizers {
      let type = try normalizer.required("type").string()
      guard type == "NFC" else { throw unsupported(normalizer.path, "is \(type)") }
    }
    return !normalizers.isEmpty
  }

  private static func checkDecoder(_ node: JSONNode) throws(TokenizerError) {
    let decoders = try parts(node, named: "decoders")
    for decoder in decoders {
      let type = try decoder.required("type").string()
      guard type == "ByteLevel" else { throw unsupported(decoder.path, "is \(type)") }
    }
    guard decoders.count == 1 else { throw unsupported("decoder", "has \(decoders.count) parts") }
  }
}

// MARK: - Added tokens

extension TokenizerDescription {
  private static func addedTokens(
    _ node: JSONNode?, vocabulary: inout Vocabulary
  ) throws(TokenizerError) -> [AddedToken] {
    var tokens: [AddedToken] = []
    var seen = Set<[UInt8]>()
    for entry in try node?.elements() ?? [] {
      let content = try entry.required("content").bytes()
      guard !content.isEmpty else { throw TokenizerError(.malformed, "\(entry.path).content is empty") }
      guard seen.insert(content).inserted else {
        throw TokenizerError(.malformed, "\(entry.path): the token is added twice")
      }
      let id = try entry.required("id").integer()
      if let known = vocabulary.id(of: content) {
        guard Int(known) == id else {
          throw TokenizerError(.malformed, "\(entry.path) has id \(id), but model.vocab gives it \(known)")
        }
      } else {
        try vocabulary.insert(content, id: id)
      }
      tokens.append(try addedToken(entry, id: Int32(id), content: content))
    }
    return tokens
  }

  private static func addedToken(
    _ entry: JSONNode, id: Int32, content: [UInt8]
  ) throws(TokenizerError) -> AddedToken {
    func flag(_ name: String, absent: Bool = false) throws(TokenizerError) -> Bool {
      try entry.member(name)?.bool() ?? absent
    }
    let isSpecial = try flag("special")
    return AddedToken(
      id: id, content: content, isSpecial: isSpecial, isNormalized: try flag("normalized", absent: !isSpecial),
      isSingleWord: try flag("single_word"), stripsLeft: try flag("lstrip"), stripsRight: try flag("rstrip"))
  }
}

// MARK: - The tokens around a text

extension TokenizerDescription {
  private static func template(
    _ node: JSONNode?, _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> (prefix: [Int32], suffix: [Int32]) {
    guard let node else { return ([], []) }
    var result: (prefix: [Int32], suffix: [Int32]) = ([], [])
    for processor in try parts(node, named: "processors") {
      let type = try processor.required("type").string()
      switch type {
      case "ByteLevel": break  // It moves offsets, not ids.
      case "TemplateProcessing":
        let (before, after) = try ends(processor, vocabulary)
        result = (before + result.prefix, result.suffix + after)
        try checkTemplate(processor, tokenCount: result.prefix.count + result.suffix.count)
      default: throw unsupported(processor.path, "is \(type)")
      }
    }
    return result
  }

  /// The most tokens around a text. A list that is named again and again would make far more of them than the file has
  /// bytes.
  private static let templateLimit = 4096

  /// The tokens before and after the text in a `TemplateProcessing`'s form for a single text.
  private static func ends(
    _ processor: JSONNode, _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> (before: [Int32], after: [Int32]) {
    var ends: [[Int32]] = [[]]
    for item in try processor.required("single").elements() {
      if try item.member("Sequence") != nil {
        ends.append([])
      } else {
        let name = try item.required("SpecialToken").required("id").string()
        let ids = try processor.required("special_tokens").required(name).required("ids").elements()
        for node in ids {
          let id = try node.integer()
          guard let known = Int32(exactly: id), vocabulary.contains(known) else {
            throw TokenizerError(.malformed, "\(node.path) is \(id), which no token has")
          }
          ends[ends.count - 1].append(known)
        }
        try checkTemplate(processor, tokenCount: ends.reduce(0) { $0 + $1.count })
      }
    }
    guard ends.count == 2 else { throw unsupported("\(processor.path).single", "has \(ends.count - 1) sequences") }
    return (ends[0], ends[1])
  }

  private static func checkTemplate(_ processor: JSONNode, tokenCount: Int) throws(TokenizerError) {
    guard tokenCount <= templateLimit else {
      throw TokenizerError(.malformed, "\(processor.path) puts more than \(templateLimit) tokens around a text")
    }
  }
}
