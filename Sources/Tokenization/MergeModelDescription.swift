/// The `model` of a `tokenizer.json`: vocabulary, merges and what bytes become.
struct MergeModelDescription: Sendable {
  let merges: MergeTable
  let tokenOfByte: [Int32?]
  let ignoresMerges: Bool

  init(_ model: JSONNode, vocabulary: inout Vocabulary) throws(TokenizerError) {
    let type = try model.member("type")?.string() ?? "BPE"
    guard type == "BPE" else { throw TokenizerDescription.unsupported("model.type", "is \(type)") }
    try Self.checkFlags(model)
    let entries = try model.required("vocab")
    for entry in try entries.members() {
      let id = JSONNode(value: entry.value, path: "\(entries.path).\(String(decoding: entry.name, as: UTF8.self))")
      try vocabulary.insert(entry.name, id: try id.integer())
    }
    merges = try Self.merges(try model.required("merges"), vocabulary)
    let known = vocabulary
    tokenOfByte = (UInt8.min...UInt8.max).map { known.id(of: ByteAlphabet.text(for: CollectionOfOne($0))) }
    ignoresMerges = try model.member("ignore_merges")?.bool() ?? false
    try Self.checkAlphabet(model, isComplete: !tokenOfByte.contains(nil))
  }

  private static func checkFlags(_ model: JSONNode) throws(TokenizerError) {
    if let dropout = try model.member("dropout") {
      switch dropout.value {
      case .integer(0), .number(0): break
      default: throw TokenizerDescription.unsupported(dropout.path, "is set")
      }
    }
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
      guard let affix = try model.member(name), try !affix.bytes().isEmpty else { continue }
      throw TokenizerDescription.unsupported(affix.path, "is \"\(try affix.string())\"")
    }
  }

  /// `unk_token` and `byte_fallback` speak of characters that the vocabulary lacks: with all 256 bytes there are none.
  private static func checkAlphabet(_ model: JSONNode, isComplete: Bool) throws(TokenizerError) {
    let fallsBack = try model.member("byte_fallback")?.bool() ?? false
    let unknown = try model.member("unk_token")?.string()
    guard !isComplete else { return }
    if fallsBack { throw TokenizerDescription.unsupported("model.byte_fallback", "is true and bytes are missing") }
    if let unknown {
      throw TokenizerDescription.unsupported("model.unk_token", "is \(unknown) and bytes are missing")
    }
  }

  private static func merges(_ node: JSONNode, _ vocabulary: Vocabulary) throws(TokenizerError) -> MergeTable {
    guard case .array(let values) = node.value else { throw node.mismatch("an array") }
    var merges = MergeTable(minimumCapacity: values.count)
    for (rank, value) in values.enumerated() {
      guard let (left, right) = halves(of: value) else {
        throw TokenizerError(.malformed, "merges[\(rank)] is neither \"a b\" nor [\"a\", \"b\"]")
      }
      var ids: [Int32] = []
      for text in [left, right, left + right] {
        guard let id = vocabulary.id(of: text) else {
          let token = String(decoding: text, as: UTF8.self)
          throw TokenizerError(.malformed, "merges[\(rank)] needs the token \"\(token)\", which model.vocab lacks")
        }
        ids.append(id)
      }
      merges[TokenPair(left: ids[0], right: ids[1])] = Merge(rank: Int32(rank), merged: ids[2])
    }
    return merges
  }

  /// The two tokens of a merge, in either spelling.
  private static func halves(of value: JSONValue) -> ([UInt8], [UInt8])? {
    switch value {
    case .string(let text):
      let parts = text.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
      return parts.count == 2 ? (Array(parts[0]), Array(parts[1])) : nil
    case .array(let values):
      guard values.count == 2, case .string(let left) = values[0], case .string(let right) = values[1] else {
        return nil
      }
      return (left, right)
    default: return nil
    }
  }
}
