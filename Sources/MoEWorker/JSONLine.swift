import Foundation

/// One JSON object in one line, its fields in the order given.
struct JSONLine {
  enum Value {
    case text(String)
    case integer(Int)
    /// Written with the given number of significant digits; what is not finite becomes null.
    case real(Double, digits: Int = 6)
    case integers([Int])
    case flag(Bool)
    case object(JSONLine)
    case objects([JSONLine])
    case null
  }

  private var fields: [(name: String, value: Value)] = []

  init(_ fields: KeyValuePairs<String, Value> = [:]) {
    self.fields = fields.map { ($0.key, $0.value) }
  }

  mutating func append(_ name: String, _ value: Value) { fields.append((name, value)) }

  var description: String {
    "{" + fields.map { "\(Self.quoted($0.name)): \($0.value.description)" }.joined(separator: ", ") + "}"
  }

  /// The same fields for people: `name value`, separated by commas.
  var plainDescription: String {
    fields.map { field in
      if case .text(let text) = field.value { return "\(field.name) \(text)" }
      if case .object(let line) = field.value { return "\(field.name) (\(line.plainDescription))" }
      return "\(field.name) \(field.value.description)"
    }.joined(separator: ", ").replacing("_", with: " ")
  }

  fileprivate static func quoted(_ text: String) -> String {
    let escaped = text.unicodeScalars.map { scalar in
      switch scalar {
      case "\"": "\\\""
      case "\\": "\\\\"
      case "\n": "\\n"
      case "\r": "\\r"
      case "\t": "\\t"
      case "\u{0}"..."\u{1F}": "\\u00" + String(scalar.value + 0x100, radix: 16).dropFirst()
      default: String(scalar)
      }
    }
    return "\"\(escaped.joined())\""
  }
}

extension JSONLine.Value {
  // What is not known is null.
  static func known(_ text: String?) -> Self { text.map { .text($0) } ?? .null }
  static func known(_ value: Int?) -> Self { value.map { .integer($0) } ?? .null }
  static func known(_ value: Double?, digits: Int = 6) -> Self { value.map { .real($0, digits: digits) } ?? .null }

  var description: String {
    switch self {
    case .text(let text): JSONLine.quoted(text)
    case .integer(let value): String(value)
    case .real(let value, let digits): value.isFinite ? Self.rounded(value, digits) : "null"
    case .integers(let values): "[" + values.map(String.init).joined(separator: ", ") + "]"
    case .flag(let value): value ? "true" : "false"
    case .object(let line): line.description
    case .objects(let lines): "[" + lines.map(\.description).joined(separator: ", ") + "]"
    case .null: "null"
    }
  }

  private static func rounded(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)g", value) }
}
