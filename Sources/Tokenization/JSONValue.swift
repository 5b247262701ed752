/// A value of a JSON text. Strings are compared by their bytes, never by canonical equivalence: to a vocabulary "Å"
/// (U+00C5) and "Å" (U+212B) are two tokens.
enum JSONValue: Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string([UInt8])
  case array([JSONValue])
  case object([Member])

  struct Member: Sendable {
    let name: [UInt8]
    let value: JSONValue
  }
}

/// A JSON value and where it was found, so that what is wrong with it can be said.
struct JSONNode {
  let value: JSONValue
  let path: String

  /// The member of an object; nil when it is absent or null.
  func member(_ name: String) throws(TokenizerError) -> JSONNode? {
    guard case .object(let members) = value else { throw mismatch("an object") }
    var found: JSONNode?
    for member in members where member.name.elementsEqual(name.utf8) {
      guard found == nil else { throw TokenizerError(.malformed, "\(path): \"\(name)\" is given twice") }
      found = JSONNode(value: member.value, path: path.isEmpty ? name : "\(path).\(name)")
    }
    if case .null? = found?.value { return nil }
    return found
  }

  /// The member of an object, which must be there.
  func required(_ name: String) throws(TokenizerError) -> JSONNode {
    guard let member = try member(name) else {
      throw TokenizerError(.malformed, "\(path.isEmpty ? "tokenizer.json" : path) has no \"\(name)\"")
    }
    return member
  }

  func members() throws(TokenizerError) -> [JSONValue.Member] {
    guard case .object(let members) = value else { throw mismatch("an object") }
    return members
  }

  func elements() throws(TokenizerError) -> [JSONNode] {
    guard case .array(let values) = value else { throw mismatch("an array") }
    return values.enumerated().map { JSONNode(value: $1, path: "\(path)[\($0)]") }
  }

  func bytes() throws(TokenizerError) -> [UInt8] {
    guard case .string(let bytes) = value else { throw mismatch("a string") }
    return bytes
  }

  func string() throws(TokenizerError) -> String { String(decoding: try bytes(), as: UTF8.self) }

  func bool() throws(TokenizerError) -> Bool {
    guard case .bool(let bool) = value else { throw mismatch("true or false") }
    return bool
  }

  func integer() throws(TokenizerError) -> Int {
    guard case .integer(let integer) = value else { throw mismatch("an integer") }
    return integer
  }

  func mismatch(_ wanted: String) -> TokenizerError {
    TokenizerError(.malformed, "\(path.isEmpty ? "tokenizer.json" : path) is not \(wanted)")
  }
}
