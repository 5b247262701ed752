/// Reads JSON (RFC 8259) strictly: the whole input is one value, nesting is bounded, text is valid UTF-8.
///
/// Written here because a vocabulary needs its strings byte for byte; decoders that go through `[String: Int]` merge
/// keys that are canonically equivalent.
struct JSONParser {
  private let text: [UInt8]
  private var position = 0

  private static let depthLimit = 64

  private init(_ text: [UInt8]) { self.text = text }

  static func parse(_ text: [UInt8]) throws(TokenizerError) -> JSONValue {
    var parser = JSONParser(text)
    if text.starts(with: [0xef, 0xbb, 0xbf]) { parser.position = 3 }
    let value = try parser.value(depth: 0)
    parser.skipSpace()
    guard parser.position == text.count else { throw parser.failure("there is more after the end of the value") }
    return value
  }

  private func failure(_ what: String) -> TokenizerError {
    TokenizerError(.notJSON, "not JSON: \(what), byte \(position) of \(text.count)")
  }

  private var current: UInt8? { position < text.count ? text[position] : nil }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { position += 1 }
  }

  private mutating func value(depth: Int) throws(TokenizerError) -> JSONValue {
    guard depth <= Self.depthLimit else { throw failure("nested deeper than \(Self.depthLimit)") }
    skipSpace()
    guard let byte = current else { throw failure("the text ends where a value should be") }
    switch byte {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw failure("a value cannot start like this")
    }
  }

  private mutating func word(_ word: String, _ value: JSONValue) throws(TokenizerError) -> JSONValue {
    guard text[position...].starts(with: word.utf8) else { throw failure("a value cannot start like this") }
    position += word.utf8.count
    return value
  }

  private mutating func object(depth: Int) throws(TokenizerError) -> JSONValue {
    var members: [JSONValue.Member] = []
    position += 1
    skipSpace()
    if current == UInt8(ascii: "}") {
      position += 1
      return .object(members)
    }
    repeat {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw failure("a member's name must be a string") }
      let name = try string()
      skipSpace()
      guard current == UInt8(ascii: ":") else { throw failure("a colon is missing") }
      position += 1
      members.append(JSONValue.Member(name: name, value: try value(depth: depth + 1)))
    } while try another(before: UInt8(ascii: "}"))
    return .object(members)
  }

  private mutating func array(depth: Int) throws(TokenizerError) -> JSONValue {
    var values: [JSONValue] = []
    position += 1
    skipSpace()
    if current == UInt8(ascii: "]") {
      position += 1
      return .array(values)
    }
    repeat { values.append(try value(depth: depth + 1)) } while try another(before: UInt8(ascii: "]"))
    return .array(values)
  }

  /// Passes a comma (there is another element) or the closing bracket (there is none).
  private mutating func another(before close: UInt8) throws(TokenizerError) -> Bool {
    skipSpace()
    guard let byte = current, byte == UInt8(ascii: ",") || byte == close else {
      throw failure("a comma or closing bracket is missing")
    }
    position += 1
    return byte != close
  }

  private mutating func number() throws(TokenizerError) -> JSONValue {
    let start = position
    skip(UInt8(ascii: "-"))
    let firstDigit = position
    try digits()
    guard position == firstDigit + 1 || text[firstDigit] != UInt8(ascii: "0") else {
      throw failure("a number starts with 0")
    }
    if skip(UInt8(ascii: ".")) { try digits() }
    if skip(UInt8(ascii: "e")) || skip(UInt8(ascii: "E")) {
      if !skip(UInt8(ascii: "+")) { skip(UInt8(ascii: "-")) }
      try digits()
    }
    let digits = String(decoding: text[start..<position], as: UTF8.self)
    if let integer = Int(digits) { return .integer(integer) }
    guard let number = Double(digits), number.isFinite else { throw failure("\(digits) is no number") }
    return .number(number)
  }

  private mutating func digits() throws(TokenizerError) {
    let start = position
    while let byte = current, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    guard position > start else { throw failure("a digit is missing") }
  }

  @discardableResult private mutating func skip(_ byte: UInt8) -> Bool {
    guard current == byte else { return false }
    position += 1
    return true
  }
}

// MARK: - Strings

extension JSONParser {
  private mutating func string() throws(TokenizerError) -> [UInt8] {
    position += 1
    var bytes: [UInt8] = []
    while let byte = current {
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return bytes
      case UInt8(ascii: "\\"):
        position += 1
        bytes.append(contentsOf: try escape())
      case 0..<0x20: throw failure("a control character inside a string")
      case 0..<0x80:
        bytes.append(byte)
        position += 1
      default:
        let scalar = decodeScalar(text.span, at: position)
        guard scalar.isValid else { throw failure("a string is not UTF-8") }
        bytes.append(contentsOf: text[position..<position + scalar.length])
        position += scalar.length
      }
    }
    throw failure("the text ends inside a string")
  }

  /// What follows a backslash.
  private mutating func escape() throws(TokenizerError) -> [UInt8] {
    guard let byte = current else { throw failure("the text ends inside a string") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "b"): return [0x08]
    case UInt8(ascii: "f"): return [0x0c]
    case UInt8(ascii: "n"): return [0x0a]
    case UInt8(ascii: "r"): return [0x0d]
    case UInt8(ascii: "t"): return [0x09]
    case UInt8(ascii: "u"): return Array(String(try escapedScalar()).utf8)
    default: throw failure("an escape that does not exist")
    }
  }

  private mutating func escapedScalar() throws(TokenizerError) -> Unicode.Scalar {
    let first = try codeUnit()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard (0xd800..<0xdc00).contains(first), current == UInt8(ascii: "\\") else {
      throw failure("half a surrogate pair")
    }
    position += 1
    guard current == UInt8(ascii: "u") else { throw failure("half a surrogate pair") }
    position += 1
    let second = try codeUnit()
    guard (0xdc00..<0xe000).contains(second) else { throw failure("half a surrogate pair") }
    let value = 0x10000 + (first - 0xd800) << 10 + (second - 0xdc00)
    guard let scalar = Unicode.Scalar(value) else { throw failure("half a surrogate pair") }
    return scalar
  }

  private mutating func codeUnit() throws(TokenizerError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw failure("an escape needs four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}
