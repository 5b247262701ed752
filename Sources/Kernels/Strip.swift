/// Sixteen numbers: one 512-bit register.
package typealias Vector = SIMD16<Float>

/// Up to sixteen consecutive elements: what one vector instruction works on.
///
/// The kernels' inner loops are strip-mined by hand: `strips(of: n)` are full strips and at most one partial strip, whose
/// missing elements read as zero and are not written. Every element therefore goes through the same instructions
/// wherever it lies, which a loop that the compiler vectorises does not promise for its remainder.
struct Strip {
  static let width = 16

  let offset: Int
  let count: Int
}

/// The strips of `0 ..< count` in ascending order.
@inline(__always) func strips(of count: Int) -> Strips { Strips(count: count) }

struct Strips: Sequence, IteratorProtocol {
  private let count: Int
  private var offset = 0

  @inline(__always) fileprivate init(count: Int) { self.count = count }

  @inline(__always) mutating func next() -> Strip? {
    guard offset < count else { return nil }
    defer { offset &+= Strip.width }
    return Strip(offset: offset, count: Swift.min(Strip.width, count &- offset))
  }
}

extension UnsafeMutablePointer<Float> {
  subscript(strip: Strip) -> Vector {
    @inline(__always) get {
      if strip.count == Strip.width { return vector(at: strip.offset) }
      var padded = Vector(repeating: 0)
      withUnsafeMutableBytes(of: &padded) { bytes in
        bytes.copyMemory(from: UnsafeRawBufferPointer(start: self + strip.offset, count: 4 &* strip.count))
      }
      return padded
    }
    @inline(__always) nonmutating set {
      let target = UnsafeMutableRawPointer(self + strip.offset)
      if strip.count == Strip.width {
        target.storeBytes(of: newValue, as: Vector.self)
      } else {
        withUnsafeBytes(of: newValue) { bytes in
          if let source = bytes.baseAddress { target.copyMemory(from: source, byteCount: 4 &* strip.count) }
        }
      }
    }
  }

  /// Sixteen elements from `offset` on.
  @inline(__always) func vector(at offset: Int) -> Vector {
    UnsafeRawPointer(self + offset).loadUnaligned(as: Vector.self)
  }
}

extension SIMD16<Float> {
  /// The sum of the lanes as a balanced tree, the same on every machine.
  @inline(__always) var treeSum: Float {
    let eight = lowHalf + highHalf
    let four = eight.lowHalf + eight.highHalf
    let two = four.lowHalf + four.highHalf
    return two.x + two.y
  }

  /// The larger of each pair; where either is not a number, the value of `self`.
  @inline(__always) func larger(_ other: Vector) -> Vector { replacing(with: other, where: other .> self) }
}
