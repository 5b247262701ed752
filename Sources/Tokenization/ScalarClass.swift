/// What GPT-2's pattern asks about a character.
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

/// The class of every scalar.
struct ScalarClasses: Sendable {
  /// Classes of the basic multilingual plane, as raw values; the few scalars beyond are looked up when they are met.
  private let table: [UInt8]

  /// The one table; it never changes.
  static let shared = ScalarClasses()

  private init() { table = (0..<0x10000).map { Self.classify($0).rawValue } }

  @inline(__always) func raw(_ value: UInt32) -> UInt8 {
    value < 0x10000 ? table[Int(value)] : Self.classify(value).rawValue
  }

  @inline(__always) subscript(value: UInt32) -> ScalarClass { ScalarClass(rawValue: raw(value)) ?? .other }

  private static func classify(_ value: UInt32) -> ScalarClass {
    if ScalarSet.space.contains(value) { return .space }
    if ScalarSet.letter.contains(value) { return .letter }
    return ScalarSet.number.contains(value) ? .number : .other
  }
}
