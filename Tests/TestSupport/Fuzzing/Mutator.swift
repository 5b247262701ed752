/// Makes inputs that are almost what a parser reads: the inputs of a target, changed a few times.
///
/// An input is a function of seed and number, so any of them can be made again without those before it.
package struct Mutator: Sendable {
  package let seeds: [[UInt8]]
  /// Texts that mean something in the format.
  private let words: [[UInt8]]

  /// Nobody reads more of an input that repeats itself, and doubling it again and again would take all memory.
  private static let largestInput = 1 << 16

  package init(seeds: [[UInt8]], words: [[UInt8]]) {
    precondition(!seeds.isEmpty && !words.isEmpty, "a mutator without an input or a word")
    self.seeds = seeds
    self.words = words + Self.strangers
  }

  package func input(_ number: Int, seed: Int) -> [UInt8] {
    // Streams of neighbouring numbers would overlap if their states were neighbours too.
    var start = SeededGenerator(seed: seed &* 0x1000_0000_01b3 &+ number)
    var random = SeededGenerator(seed: Int(truncatingIfNeeded: start.next()))
    var bytes = seeds.random(&random)
    repeat { mutate(&bytes, &random) } while Bool.random(using: &random)
    return bytes.count <= Self.largestInput ? bytes : Array(bytes.prefix(Self.largestInput))
  }

  private func mutate(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
    switch Int.random(in: 0..<14, using: &random) {
    case 0: flipBit(&bytes, &random)
    case 1: if !bytes.isEmpty { bytes[place(in: bytes, &random)] = UInt8.random(in: 0...255, using: &random) }
    case 2: bytes.removeSubrange(span(of: bytes, &random))
    case 3: duplicate(&bytes, &random)
    case 4: swap(&bytes, &random)
    case 5, 6: bytes.insert(contentsOf: words.random(&random), at: Int.random(in: 0...bytes.count, using: &random))
    case 7, 8: bytes.replaceSubrange(span(of: bytes, &random), with: words.random(&random))
    case 9, 10: replaceNumber(&bytes, &random)
    case 11: writeInteger(&bytes, &random)
    case 12: bytes.removeLast(Int.random(in: 0...bytes.count, using: &random))
    default: splice(&bytes, &random)
    }
  }

  // MARK: Places

  private func place(in bytes: [UInt8], _ random: inout SeededGenerator) -> Int {
    Int.random(in: bytes.indices, using: &random)
  }

  /// A part of the bytes: any, or what stands between two of the marks that divide text.
  private func span(of bytes: [UInt8], _ random: inout SeededGenerator) -> Range<Int> {
    let start = Int.random(in: 0...bytes.count, using: &random)
    guard Bool.random(using: &random) else {
      return start..<min(bytes.count, start + Int.random(in: 0...32, using: &random))
    }
    let first = bytes[..<start].lastIndex(where: Self.isMark) ?? 0
    let rest = bytes[start...]
    // Sometimes with several items in it.
    let end = rest.dropFirst(Int.random(in: 0...16, using: &random)).firstIndex(where: Self.isMark) ?? bytes.count
    return first..<max(first, end)
  }

  private static func isMark(_ byte: UInt8) -> Bool {
    switch byte {
    case 0, 0x0a, 0x20, UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "["),
      UInt8(ascii: "]"), UInt8(ascii: "\""):
      true
    default: false
    }
  }

  // MARK: Changes

  private func flipBit(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
    guard !bytes.isEmpty else { return }
    bytes[place(in: bytes, &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
  }

  private func duplicate(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
    guard bytes.count < Self.largestInput else { return }
    let part = Array(bytes[span(of: bytes, &random)])
    let target = Int.random(in: 0...bytes.count, using: &random)
    for _ in 0..<([1, 1, 1, 2, 16, 100] as [Int]).random(&random) { bytes.insert(contentsOf: part, at: target) }
  }

  private func swap(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
    let spans = [span(of: bytes, &random), span(of: bytes, &random)].sorted { $0.lowerBound < $1.lowerBound }
    guard spans[0].upperBound <= spans[1].lowerBound else { return }
    let parts = spans.map { Array(bytes[$0]) }
    bytes.replaceSubrange(spans[1], with: parts[0])
    bytes.replaceSubrange(spans[0], with: parts[1])
  }

  /// Puts another number in the place of one that is written in digits.
  private func replaceNumber(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
    guard !bytes.isEmpty else { return }
    func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    guard let first = bytes[place(in: bytes, &random)...].firstIndex(where: isDigit) else { return }
    let end = bytes[first...].firstIndex { !isDigit($0) } ?? bytes.count
    bytes.replaceSubrange(first..<end, with: Self.numbers.random(&random))
  }

  /// Writes a number over the bytes as a computer keeps it.
  private func writeInteger(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
    let width = ([1, 2, 4, 8] as [Int]).random(&random)
    guard bytes.count >= width else { return }
    // Most such fields lie at multiples of their width.
    let start = Int.random(in: 0...(bytes.count - width) / width, using: &random) * width
    let value = Self.integers.random(&random)
    for byte in 0..<width { bytes[start + byte] = UInt8(truncatingIfNeeded: value >> (8 * byte)) }
  }

  private func splice(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
    let other = seeds.random(&random)
    let start = Int.random(in: 0...other.count, using: &random)
    bytes.replaceSubrange(Int.random(in: 0...bytes.count, using: &random)..., with: other[start...])
  }
}

// MARK: - What parsers stumble over

extension Mutator {
  private static let integers: [Int] = [
    0, 1, 2, -1, -2, 7, 100, 127, 128, 255, 256, 32_767, 65_535, 65_536, 1 << 24, 1 << 31, 1 << 31 - 1, -1 << 31,
    1 << 32, 1 << 32 - 1, 1 << 53, 1 << 60, 1 << 62, .max, .min, .max - 7,
  ]

  private static let numbers: [[UInt8]] =
    integers.map { Array("\($0)".utf8) }
    + [
      "18446744073709551615", "18446744073709551616", "99999999999999999999999999", "-0", "00", "1.0", "1.5", "1e0",
      "1e3",
      "1e309", "-1e309", "1e-400", "0.1", "NaN", "Infinity", "0x10", "1e", "+1", "3.4e38", "3.5e38", "1e308",
    ].map { Array($0.utf8) }

  private static let strangers: [[UInt8]] =
    numbers
    + [
      "\"", "\"\"", "{", "}", "[", "]", "[]", "{}", ",", ":", "null", "true", "false", "\\u0000", "\\ud800",
      "\\ud83d\\ude00", "\\", "\\u00e9", "e\u{301}", "é", "\u{feff}", "\u{202e}", "\u{10ffff}", "\u{212a}", "../", "/",
      "\n", "\r\n", "\t", " ", ";", "%s", "\u{1b}[31m", String(repeating: "[", count: 70),
      String(repeating: "{\"a\":", count: 70), String(repeating: "[", count: 20_000),
      String(repeating: "a", count: 5_000),
    ].map { Array($0.utf8) }
    // Not UTF-8: a lone continuation, an overlong slash, a surrogate, what is beyond Unicode, a sequence cut short.
    + [[0], [0x80], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0xff]]
}

extension Array {
  /// An element of an array that has some.
  fileprivate func random(_ generator: inout SeededGenerator) -> Element {
    self[Int.random(in: indices, using: &generator)]
  }
}
