/// What the patterns of byte-level tokenizers ask about a character.
enum ScalarClass: UInt8, Sendable {
  /// Everything else: punctuation, symbols, marks, controls, bytes that are not UTF-8.
  case other
  /// `\p{L}`
  case letter
  /// `\p{N}`
  case number
  /// `\s`, the White_Space property
  case space
}

/// The class of every scalar as of Unicode 16, the version of the `tokenizers` library (its Oniguruma), so that the
/// same text is split in the same way whichever Swift this was built with.
struct ScalarClasses: Sendable {
  /// Classes of the basic multilingual plane, as raw values; the few scalars beyond are looked up when they are met.
  private let table: [UInt8]

  /// The one table; it never changes.
  static let shared = ScalarClasses()

  private static let newestAge = (major: 16, minor: 0)

  private init() { table = (0..<0x10000).map { Self.classify($0).rawValue } }

  @inline(__always) func raw(_ value: UInt32) -> UInt8 {
    value < 0x10000 ? table[Int(value)] : Self.classify(value).rawValue
  }

  @inline(__always) subscript(value: UInt32) -> ScalarClass { ScalarClass(rawValue: raw(value)) ?? .other }

  private static func classify(_ value: UInt32) -> ScalarClass {
    guard let scalar = Unicode.Scalar(value), let age = scalar.properties.age, age <= newestAge else { return .other }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
    case .decimalNumber, .letterNumber, .otherNumber: return .number
    default: return scalar.properties.isWhitespace ? .space : .other
    }
  }
}

extension Unicode.Scalar {
  /// `\w` of a Unicode regular expression (UTS 18): alphabetic, mark, decimal digit, connector or join control.
  var isWordScalar: Bool {
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: true
    default: properties.isAlphabetic || properties.isJoinControl
    }
  }
}
