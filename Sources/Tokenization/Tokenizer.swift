/// A byte-level byte-pair tokenizer, as a Hugging Face `tokenizer.json` describes it.
///
/// Text goes through these stages: added tokens are found in it; what lies between is normalized; added tokens that are
/// normalized are found in that; the rest is split into words; a word's bytes become tokens and are merged; the ends
/// are marked. Ids are those of the `tokenizers` library, bytes that are not UTF-8 included, which no pattern matches
/// and no normalization touches.
package struct Tokenizer: Sendable {
  let vocabulary: Vocabulary
  let merges: MergeTable
  /// The token of every single byte; nil for a byte that the vocabulary lacks, which encodes to nothing.
  let tokenOfByte: [Int32?]
  /// A word that is a token as a whole is not merged from its bytes.
  let ignoresMerges: Bool
  let composesCanonically: Bool
  let addsPrefixSpace: Bool
  let splitRules: [SplitRule]
  let plainTokens: AddedTokenMatcher
  let normalizedTokens: AddedTokenMatcher
  let specialIDs: Set<Int32>
  /// Tokens put before and after every text.
  let prefix: [Int32]
  let suffix: [Int32]
  private let json: [UInt8]

  /// Reads a `tokenizer.json`.
  ///
  /// - Throws: `TokenizerError` if the bytes are not JSON, contradict themselves, or ask for something that is not
  ///   done here (the message names it).
  package init(contentsOf json: [UInt8]) throws(TokenizerError) {
    let description = try TokenizerDescription(JSONNode(value: try JSONParser.parse(json), path: ""))
    self.init(description, json: json)
  }

  init(_ description: TokenizerDescription, json: [UInt8]) {
    vocabulary = description.vocabulary
    merges = description.model.merges
    tokenOfByte = description.model.tokenOfByte
    ignoresMerges = description.model.ignoresMerges
    let composesCanonically = description.composesCanonically
    self.composesCanonically = composesCanonically
    addsPrefixSpace = description.preTokenizer.addsPrefixSpace
    splitRules = description.preTokenizer.rules
    // Of two tokens with the same content the special one is found.
    let tokens = description.addedTokens.filter(\.isSpecial) + description.addedTokens.filter { !$0.isSpecial }
    plainTokens = AddedTokenMatcher(tokens.filter { !$0.isNormalized }, normalize: \.self)
    normalizedTokens = AddedTokenMatcher(tokens.filter(\.isNormalized)) {
      composesCanonically ? Normalization.nfc($0) : $0
    }
    specialIDs = Set(tokens.filter(\.isSpecial).map(\.id))
    prefix = description.prefix
    suffix = description.suffix
    self.json = json
  }

  /// One more than the largest token id: how many rows an embedding needs.
  package var vocabularySize: Int { vocabulary.size }

  /// The token that ends a document: the first of the usual names that the vocabulary has.
  package var endOfText: Int32? {
    let names = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>"]
    return names.lazy.compactMap { id(of: $0) }.first
  }

  /// The id of a token given by its text in the vocabulary.
  package func id(of token: String) -> Int32? { vocabulary.id(of: Array(token.utf8)) }

  /// A token's text in the vocabulary, where bytes are written as characters ("Ġthe").
  package func token(_ id: Int32) -> String? {
    vocabulary.text(of: id).map { String(decoding: $0, as: UTF8.self) }
  }

  package func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

  /// The `tokenizer.json`, byte for byte as it was read or made.
  package func jsonData() -> [UInt8] { json }
}
