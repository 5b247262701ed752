/// A set of Unicode scalars: a character class of a pattern.
struct ScalarSet: Hashable, Sendable {
  private var ranges: [ClosedRange<UInt32>] = []
  /// General categories, a bit each.
  private var categories: UInt32 = 0
  private var subsets: [ScalarSet] = []
  private var isInverted = false
  /// Whether each of the first 128 scalars is in the set.
  private var ascii: [Bool] = []

  private init() {}

  /// The union of sets, ranges and categories.
  init(_ ranges: [ClosedRange<UInt32>] = [], categories: UInt32 = 0, subsets: [ScalarSet] = []) {
    self.ranges = ranges
    self.categories = categories
    self.subsets = subsets
    ascii = (0..<128).map(search)
  }

  /// Everything that is not in the set.
  var inverted: ScalarSet {
    var result = ScalarSet(subsets: [self])
    result.isInverted = true
    result.ascii = ascii.map { !$0 }
    return result
  }

  @inline(__always) func contains(_ value: UInt32) -> Bool { value < 128 ? ascii[Int(value)] : search(value) }

  private func search(_ value: UInt32) -> Bool {
    let isMember =
      ranges.contains { $0.contains(value) } || subsets.contains { $0.contains(value) }
      || categories != 0 && categories >> UInt32(GeneralCategories.shared.number(value)) & 1 != 0
    return isMember != isInverted
  }
}

extension ScalarSet {
  /// A scalar and the others that are the same letter in another case, "ſ" (U+017F) and "K" (U+212A) among them.
  init(caseInsensitive value: UInt32) {
    var cases: Set<UInt32> = [value]
    if let properties = Unicode.Scalar(value)?.properties {
      for mapping in [properties.lowercaseMapping, properties.uppercaseMapping] {
        if mapping.unicodeScalars.count == 1, let scalar = mapping.unicodeScalars.first { cases.insert(scalar.value) }
      }
    }
    if cases.contains(0x73) { cases.insert(0x17f) }
    if cases.contains(0x6b) { cases.insert(0x212a) }
    self.init(cases.sorted().map { $0...$0 })
  }

  /// `\s`: the White_Space property.
  static let space = ScalarSet([
    0x09...0x0d, 0x20...0x20, 0x85...0x85, 0xa0...0xa0, 0x1680...0x1680, 0x2000...0x200a, 0x2028...0x2029,
    0x202f...0x202f, 0x205f...0x205f, 0x3000...0x3000,
  ])
  /// `\p{L}`
  static let letter = ScalarSet(categories: GeneralCategories.mask(named: "L") ?? 0)
  /// `\p{N}`
  static let number = ScalarSet(categories: GeneralCategories.mask(named: "N") ?? 0)
  /// `\d`
  static let digit = ScalarSet(categories: GeneralCategories.mask(named: "Nd") ?? 0)
  /// Alphabetic, mark, decimal digit or connector. Circled and squared Latin letters are the symbols that are alphabetic.
  /// It is `\w` in a class of Oniguruma's.
  static let classWord = ScalarSet(
    [0x24b6...0x24e9, 0x1f130...0x1f149, 0x1f150...0x1f169, 0x1f170...0x1f189],
    categories: ["L", "M", "Nd", "Nl", "Pc"].reduce(0) { $0 | (GeneralCategories.mask(named: $1) ?? 0) })
  /// `\w` of UTS 18, which has the joiners; it decides whether an added token is a word of its own.
  static let word = ScalarSet([0x200c...0x200d], subsets: [classWord])
  /// `\w` of Oniguruma outside of a class, which has the superscripts and fractions of Latin-1.
  static let patternWord = ScalarSet([0xb2...0xb3, 0xb9...0xb9, 0xbc...0xbe], subsets: [classWord])
}
