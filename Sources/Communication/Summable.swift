/// Numbers that ranks can sum.
package protocol Summable: BitwiseCopyable, Sendable {
  /// `target[i] += source[i]` for `i` in `0 ..< count`.
  static func add(_ source: UnsafePointer<Self>, to target: UnsafeMutablePointer<Self>, count: Int)
}

extension Float: Summable {
  package static func add(_ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count { target[i] += source[i] }
  }
}

extension Double: Summable {
  package static func add(_ source: UnsafePointer<Double>, to target: UnsafeMutablePointer<Double>, count: Int) {
    for i in 0..<count { target[i] += source[i] }
  }
}

extension Int64: Summable {
  /// Wraps around at overflow: sums of counts cannot reach it, and data must not stop the program.
  package static func add(_ source: UnsafePointer<Int64>, to target: UnsafeMutablePointer<Int64>, count: Int) {
    for i in 0..<count { target[i] &+= source[i] }
  }
}
