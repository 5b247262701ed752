/// The tokens of a tokenizer: text and bytes by id, id by text.
struct Vocabulary: Sendable {
  /// Token texts, in the byte alphabet.
  private var texts = ByteStringTable()
  private var ids: [Int32] = []
  /// The number in `texts` of each id; −1 for an id that no token has.
  private var textOfID: [Int32] = []
  private var bytesOfID: [[UInt8]] = []

  /// Ids from here on are refused: no vocabulary comes near, and tables grow with the largest id.
  static let idLimit = 1 << 22

  /// One more than the largest id.
  var size: Int { textOfID.count }

  func id(of text: [UInt8]) -> Int32? { texts.index(of: text).map { ids[$0] } }

  func contains(_ id: Int32) -> Bool { id >= 0 && Int(id) < size && textOfID[Int(id)] >= 0 }

  /// The token as the vocabulary writes it, UTF-8.
  func text(of id: Int32) -> ArraySlice<UInt8>? { contains(id) ? texts[Int(textOfID[Int(id)])] : nil }

  /// The bytes the token stands for; none for an id that no token has.
  func bytes(of id: Int32) -> [UInt8] { contains(id) ? bytesOfID[Int(id)] : [] }

  mutating func insert(_ text: [UInt8], id: Int) throws(TokenizerError) {
    let name = "token \"\(String(decoding: text, as: UTF8.self))\""
    guard id >= 0 && id < Self.idLimit else {
      throw TokenizerError(.malformed, "\(name) has id \(id), not in 0 ..< \(Self.idLimit)")
    }
    while textOfID.count <= id {
      textOfID.append(-1)
      bytesOfID.append([])
    }
    guard textOfID[id] < 0 else {
      throw TokenizerError(.malformed, "\(name) has id \(id), which another token has as well")
    }
    let (index, isNew) = texts.insert(text)
    guard isNew else { throw TokenizerError(.malformed, "\(name) is in the vocabulary twice") }
    ids.append(Int32(id))
    textOfID[id] = Int32(index)
    bytesOfID[id] = ByteAlphabet.bytes(for: text)
  }
}
