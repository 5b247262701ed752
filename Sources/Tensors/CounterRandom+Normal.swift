#if canImport(Glibc)
  import Glibc
#endif

extension CounterRandom {
  /// Standard normal, by Box and Muller's transform.
  package func normal(_ counter: UInt64) -> Float {
    let block = block(counter)
    let radius = (-2 * log((Double(block[0]) + 1) * 0x1p-32)).squareRoot()
    let angle = 2 * Double.pi * Double(block[1]) * 0x1p-32
    return Float(radius * cos(angle))
  }
}
