/// Random numbers for tests, the same in every run: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators; OOPSLA 2014).
package struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: Int) { state = UInt64(bitPattern: Int64(seed)) &* 0x9e37_79b9_7f4a_7c15 }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }

  /// Uniform in [−bound, bound).
  package mutating func floats(_ count: Int, below bound: Float = 1) -> [Float] {
    (0..<count).map { _ in Float.random(in: -bound..<bound, using: &self) }
  }

  /// `count` different numbers below `limit`, in random order.
  package mutating func distinct(_ count: Int, below limit: Int) -> [Int] {
    Array((0..<limit).shuffled(using: &self).prefix(count))
  }
}
