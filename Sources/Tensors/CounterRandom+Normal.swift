#if canImport(Glibc)
  import Glibc
#endif

extension CounterRandom {
  /// Standard normal, by Box and Muller's transform.
  package func normal(_ counter: UInt64) -> Float {
    let block = block(counter)
    return Self.boxMuller(block[0], block[1]).0
  }

  /// Four independent standard normals, by the same transform: both of its results for both halves of a block.
  package func normals(_ counter: UInt64) -> SIMD4<Float> {
    let block = block(counter)
    let first = Self.boxMuller(block[0], block[1])
    let second = Self.boxMuller(block[2], block[3])
    return SIMD4(first.0, first.1, second.0, second.1)
  }

  private static func boxMuller(_ left: UInt32, _ right: UInt32) -> (Float, Float) {
    let radius = (-2 * log((Double(left) + 1) * 0x1p-32)).squareRoot()
    let angle = 2 * Double.pi * Double(right) * 0x1p-32
    return (Float(radius * cos(angle)), Float(radius * sin(angle)))
  }
}
