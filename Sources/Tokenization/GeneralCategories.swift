/// Unicode's general categories as small numbers, so that a set of them is a mask.
///
/// They are those of Unicode 16, the version of the `tokenizers` library (its Oniguruma), so that the same text is split
/// in the same way whichever Swift this was built with: later characters count as unassigned.
struct GeneralCategories: Sendable {
  /// Two-letter names; a category's number is its place here.
  private static let names: [(name: String, category: Unicode.GeneralCategory)] = [
    ("Lu", .uppercaseLetter), ("Ll", .lowercaseLetter), ("Lt", .titlecaseLetter), ("Lm", .modifierLetter),
    ("Lo", .otherLetter), ("Mn", .nonspacingMark), ("Mc", .spacingMark), ("Me", .enclosingMark), ("Nd", .decimalNumber),
    ("Nl", .letterNumber), ("No", .otherNumber), ("Pc", .connectorPunctuation), ("Pd", .dashPunctuation),
    ("Ps", .openPunctuation), ("Pe", .closePunctuation), ("Pi", .initialPunctuation), ("Pf", .finalPunctuation),
    ("Po", .otherPunctuation), ("Sm", .mathSymbol), ("Sc", .currencySymbol), ("Sk", .modifierSymbol),
    ("So", .otherSymbol), ("Zs", .spaceSeparator), ("Zl", .lineSeparator), ("Zp", .paragraphSeparator),
    ("Cc", .control), ("Cf", .format), ("Cs", .surrogate), ("Co", .privateUse), ("Cn", .unassigned),
  ]

  private static let newestAge = (major: 16, minor: 0)

  /// The one table; it never changes.
  static let shared = GeneralCategories()

  private let numbers: [Unicode.GeneralCategory: UInt8]
  /// Categories of the basic multilingual plane; the few scalars beyond are looked up when they are met.
  private let table: [UInt8]

  private init() {
    let numbers = Dictionary(
      uniqueKeysWithValues: Self.names.enumerated().map { ($0.element.category, UInt8($0.offset)) })
    self.numbers = numbers
    table = (0..<0x10000).map { Self.number($0, numbers) }
  }

  /// The number of a scalar's category.
  @inline(__always) func number(_ value: UInt32) -> UInt8 {
    value < 0x10000 ? table[Int(value)] : Self.number(value, numbers)
  }

  private static func number(_ value: UInt32, _ numbers: [Unicode.GeneralCategory: UInt8]) -> UInt8 {
    let unassigned = UInt8(names.count - 1)
    guard let scalar = Unicode.Scalar(value), let age = scalar.properties.age, age <= newestAge else {
      return unassigned
    }
    return numbers[scalar.properties.generalCategory] ?? unassigned
  }

  /// The categories that a name means, a bit each: "Lu" one, "L" all letters; nil for a name that is none.
  static func mask(named name: String) -> UInt32? {
    var mask: UInt32 = 0
    for (number, category) in names.enumerated() where category.name == name || category.name.prefix(1) == name {
      mask |= 1 << UInt32(number)
    }
    return mask == 0 ? nil : mask
  }
}
