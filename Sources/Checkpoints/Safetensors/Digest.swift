package import Tensors

/// A 64-bit digest of bytes, against damage on disks and networks; it does not protect against intent.
///
/// XXH64 with seed 0 (Collet, xxHash fast digest algorithm, specification 0.1.1): four lanes of multiply and rotate
/// over 32-byte stripes, so that it runs at memory speed. In Python, `xxhash.xxh64(bytes).hexdigest()` gives the same.
package struct Digest: Sendable {
  private static let prime1: UInt64 = 0x9e37_79b1_85eb_ca87
  private static let prime2: UInt64 = 0xc2b2_ae3d_27d4_eb4f
  private static let prime3: UInt64 = 0x1656_67b1_9e37_79f9
  private static let prime4: UInt64 = 0x85eb_ca77_c2b2_ae63
  private static let prime5: UInt64 = 0x27d4_eb2f_1656_67c5

  /// Pieces but the last are a multiple of this many bytes.
  package static let stripeByteCount = 32

  private var lanes = (prime1 &+ prime2, prime2, UInt64(0), UInt64(0) &- prime1)
  private var byteCount: UInt64 = 0
  private var tail: [UInt8] = []

  package init() {}

  /// Takes in the next `byteCount` bytes of a buffer of words.
  ///
  /// - Precondition: every piece before this one was a multiple of ``stripeByteCount``.
  package mutating func update(_ words: Buffer<UInt64>, byteCount count: Int) {
    precondition(tail.isEmpty, "a digest continues after a piece of \(tail.count) bytes beyond whole stripes")
    precondition(count <= words.byteCount, "\(count) bytes of a buffer of \(words.byteCount)")
    let stripes = count / Self.stripeByteCount
    update(stripes: words[0..<stripes * 4])
    tail = words.reinterpreted(as: UInt8.self)[stripes * Self.stripeByteCount..<count].elements
    byteCount &+= UInt64(count)
  }

  private mutating func update(stripes words: Buffer<UInt64>) {
    var (a, b, c, d) = lanes
    for index in stride(from: 0, to: words.count, by: 4) {
      a = Self.round(a, words[index])
      b = Self.round(b, words[index + 1])
      c = Self.round(c, words[index + 2])
      d = Self.round(d, words[index + 3])
    }
    lanes = (a, b, c, d)
  }

  /// The digest of all that was taken in, as 16 hexadecimal digits.
  package var hexadecimal: String { Self.hexadecimal(value) }

  static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: hexadecimalCount - digits.count) + digits
  }

  package static let hexadecimalCount = 16

  package var value: UInt64 {
    var hash = (byteCount >= UInt64(Self.stripeByteCount) ? mergedLanes : Self.prime5) &+ byteCount
    var rest = tail[...]
    while rest.count >= 8 {
      hash ^= Self.round(0, Self.word(rest.prefix(8)))
      hash = Self.rotate(hash, 27) &* Self.prime1 &+ Self.prime4
      rest = rest.dropFirst(8)
    }
    if rest.count >= 4 {
      hash ^= Self.word(rest.prefix(4)) &* Self.prime1
      hash = Self.rotate(hash, 23) &* Self.prime2 &+ Self.prime3
      rest = rest.dropFirst(4)
    }
    for byte in rest { hash = Self.rotate(hash ^ UInt64(byte) &* Self.prime5, 11) &* Self.prime1 }
    return Self.avalanche(hash)
  }

  private var mergedLanes: UInt64 {
    var hash =
      Self.rotate(lanes.0, 1) &+ Self.rotate(lanes.1, 7) &+ Self.rotate(lanes.2, 12) &+ Self.rotate(lanes.3, 18)
    for lane in [lanes.0, lanes.1, lanes.2, lanes.3] {
      hash = (hash ^ Self.round(0, lane)) &* Self.prime1 &+ Self.prime4
    }
    return hash
  }

  private static func avalanche(_ value: UInt64) -> UInt64 {
    var hash = value
    hash = (hash ^ hash >> 33) &* prime2
    hash = (hash ^ hash >> 29) &* prime3
    return hash ^ hash >> 32
  }

  @inline(__always)
  private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    rotate(lane &+ word &* prime2, 31) &* prime1
  }

  @inline(__always)
  private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 { value &<< count | value &>> (64 &- count) }

  /// Up to eight bytes, lowest first.
  private static func word(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

extension Digest {
  /// The digest of a small file's content.
  package init(of bytes: [UInt8]) {
    self.init()
    let words = Buffer<UInt64>(count: (bytes.count + 7) / 8)
    words.reinterpreted(as: UInt8.self)[0..<bytes.count].copy(from: bytes)
    update(words, byteCount: bytes.count)
  }
}
