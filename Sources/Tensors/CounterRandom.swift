/// Random numbers that are a function of what they are for, never of how many were drawn before.
///
/// Philox 4×32 with 10 rounds (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011).
/// `stream` says what the numbers are for (a layer, a tensor's name, a step); `counter` which of them is wanted, so
/// every rank that needs number 17 of a stream computes the same one.
package struct CounterRandom: Hashable, Sendable {
  private let key: SIMD2<UInt32>
  private let stream: UInt64

  package init(seed: UInt64, stream: UInt64) {
    key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    self.stream = stream
  }

  /// A stream named by text: FNV-1a of its bytes.
  package init(seed: UInt64, stream name: String) {
    self.init(seed: seed, stream: name.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 })
  }

  /// Four independent 32-bit words.
  package func block(_ counter: UInt64) -> SIMD4<UInt32> {
    var state = SIMD4<UInt32>(
      UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32),
      UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32))
    var key = key
    for _ in 0..<10 {
      let left = UInt64(state[0]) &* 0xd251_1f53
      let right = UInt64(state[2]) &* 0xcd9e_8d57
      state = SIMD4(
        UInt32(truncatingIfNeeded: right >> 32) ^ state[1] ^ key[0], UInt32(truncatingIfNeeded: right),
        UInt32(truncatingIfNeeded: left >> 32) ^ state[3] ^ key[1], UInt32(truncatingIfNeeded: left))
      key = SIMD2(key[0] &+ 0x9e37_79b9, key[1] &+ 0xbb67_ae85)
    }
    return state
  }

  package func word(_ counter: UInt64) -> UInt64 {
    let block = block(counter)
    return UInt64(block[0]) | UInt64(block[1]) << 32
  }

  /// Uniform in [0, 1).
  package func uniform(_ counter: UInt64) -> Float { Float(block(counter)[0] >> 8) * 0x1p-24 }

  /// Uniform in [0, 1), with 53 random bits.
  package func uniformDouble(_ counter: UInt64) -> Double { Double(word(counter) >> 11) * 0x1p-53 }

  /// Uniform in `0 ..< bound` (bias below 2⁻³² for bounds that matter here).
  package func index(_ counter: UInt64, below bound: Int) -> Int {
    Int(word(counter).multipliedFullWidth(by: UInt64(bound)).high)
  }
}
