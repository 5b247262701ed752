// Sums over a row in a fixed order: element i belongs to lane i mod 16 of accumulator (i / 16) mod 4; the accumulators are
// added pairwise, then the lanes as a tree. The order depends on the row's length alone.

/// Four accumulators that take turns, which hides the addition's latency.
struct StripSum {
  private var first = Vector(repeating: 0)
  private var second = Vector(repeating: 0)
  private var third = Vector(repeating: 0)
  private var fourth = Vector(repeating: 0)

  /// += x
  @inline(__always) mutating func add(_ x: Vector) { turn(first + x) }

  /// += x·y
  @inline(__always) mutating func addProduct(_ x: Vector, _ y: Vector) { turn(first.addingProduct(x, y)) }

  /// Each lane's sum.
  @inline(__always) var lanes: Vector { (first + second) + (third + fourth) }

  @inline(__always) var total: Float { lanes.treeSum }

  @inline(__always) private mutating func turn(_ next: Vector) {
    first = second
    second = third
    third = fourth
    fourth = next
  }
}

/// Σ x[i]·y[i]
@inline(__always) func dot(_ x: UnsafeMutablePointer<Float>, _ y: UnsafeMutablePointer<Float>, count: Int) -> Float {
  var sum = StripSum()
  for strip in strips(of: count) { sum.addProduct(x[strip], y[strip]) }
  return sum.total
}

/// Σ x[i]
@inline(__always) func sum(_ x: UnsafeMutablePointer<Float>, count: Int) -> Float {
  var sum = StripSum()
  for strip in strips(of: count) { sum.add(x[strip]) }
  return sum.total
}

/// The largest of `count` elements; −∞ of none.
@inline(__always) func maximum(_ x: UnsafeMutablePointer<Float>, count: Int) -> Float {
  var largest = Vector(repeating: -.infinity)
  var offset = 0
  while offset &+ Strip.width <= count {
    largest = largest.larger(x.vector(at: offset))
    offset &+= Strip.width
  }
  let eight = largest.lowHalf.replacing(with: largest.highHalf, where: largest.highHalf .> largest.lowHalf)
  let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
  let two = four.lowHalf.replacing(with: four.highHalf, where: four.highHalf .> four.lowHalf)
  var result = two.x > two.y ? two.x : two.y
  while offset < count {
    result = x[offset] > result ? x[offset] : result
    offset &+= 1
  }
  return result
}
