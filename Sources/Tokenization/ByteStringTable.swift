/// Byte strings, each once, numbered in the order they were first seen: vocabularies, word counts and word caches.
///
/// All strings lie in one array; a hash table with linear probing finds them. Numbers depend on the order of insertion
/// only, never on the hash.
package struct ByteStringTable: Sendable {
  private var bytes: [UInt8] = []
  /// String `i` is `bytes[starts[i] ..< starts[i + 1]]`.
  private var starts: [Int] = [0]
  private var hashes: [UInt32] = []
  /// Numbers of strings plus one; 0 is free. The count is a power of two, at most half of it in use.
  private var slots: [UInt32]

  package init() { slots = [UInt32](repeating: 0, count: 64) }

  package var count: Int { hashes.count }
  /// The length of all strings together.
  package var byteCount: Int { bytes.count }

  package subscript(index: Int) -> ArraySlice<UInt8> { bytes[starts[index]..<starts[index + 1]] }

  /// The number of a string, if it is here.
  package func index(of string: Span<UInt8>) -> Int? {
    let slot = slot(of: string, hash: Self.hash(string))
    return slots[slot] == 0 ? nil : Int(slots[slot]) - 1
  }

  package func index(of string: [UInt8]) -> Int? { index(of: string.span) }

  /// The number of a string, which is added if it is not here.
  package mutating func insert(_ string: Span<UInt8>) -> (index: Int, isNew: Bool) {
    let hash = Self.hash(string)
    let slot = slot(of: string, hash: hash)
    if slots[slot] != 0 { return (Int(slots[slot]) - 1, false) }
    for position in string.indices { bytes.append(string[position]) }
    starts.append(bytes.count)
    hashes.append(hash)
    slots[slot] = UInt32(count)
    if count * 2 > slots.count { grow() }
    return (count - 1, true)
  }

  package mutating func insert(_ string: [UInt8]) -> (index: Int, isNew: Bool) { insert(string.span) }

  /// Where a string is, or where it would go.
  private func slot(of string: Span<UInt8>, hash: UInt32) -> Int {
    let mask = slots.count - 1
    var slot = Int(hash) & mask
    while slots[slot] != 0 {
      let index = Int(slots[slot]) - 1
      if hashes[index] == hash && equals(index, string) { break }
      slot = (slot + 1) & mask
    }
    return slot
  }

  private func equals(_ index: Int, _ string: Span<UInt8>) -> Bool {
    let start = starts[index]
    guard starts[index + 1] - start == string.count else { return false }
    for position in string.indices where bytes[start + position] != string[position] { return false }
    return true
  }

  private mutating func grow() {
    slots = [UInt32](repeating: 0, count: slots.count * 2)
    let mask = slots.count - 1
    for index in hashes.indices {
      var slot = Int(hashes[index]) & mask
      while slots[slot] != 0 { slot = (slot + 1) & mask }
      slots[slot] = UInt32(index + 1)
    }
  }

  /// FNV-1a over 64 bits, folded.
  private static func hash(_ string: Span<UInt8>) -> UInt32 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for position in string.indices { hash = (hash ^ UInt64(string[position])) &* 0x100_0000_01b3 }
    return UInt32(truncatingIfNeeded: hash ^ hash >> 29)
  }
}
