/// Attention scores of consecutive queries against every key that the last of them sees.
///
/// The query in row i stands at position `firstPosition` + i and sees the keys 0 ... `firstPosition` + i. Rows are padded to
/// whole strips, so that loops over the visible keys need no partial one: what follows the last visible key in its strip
/// is made −∞ before the exponentials, and everything behind is made zero after them.
struct ScoreBlock {
  let pointer: UnsafeMutablePointer<Float>
  let rowCount: Int
  let firstPosition: Int

  /// How many queries a block has: small enough to waste little beyond the diagonal, large enough for matmul.
  static let size = 64

  var keyCount: Int { firstPosition + rowCount }
  var rowStride: Int { Self.paddedCount(keyCount) }
  var matrix: Matrix { Matrix(pointer, rows: rowCount, columns: keyCount, rowStride: rowStride) }

  /// Elements that any block against `keyCount` keys needs.
  static func elementCount(keyCount: Int) -> Int { size * paddedCount(keyCount) }

  static func paddedCount(_ count: Int) -> Int { (count + Strip.width - 1) / Strip.width * Strip.width }

  @inline(__always) func row(_ row: Int) -> UnsafeMutablePointer<Float> { pointer + row * rowStride }

  /// The elements of a row up to the end of its last visible key's strip.
  @inline(__always) func paddedVisibleCount(_ row: Int) -> Int { Self.paddedCount(firstPosition + row + 1) }

  /// Makes the invisible scores in the last visible key's strip −∞.
  @inline(__always) func maskLastStrip(ofRow row: Int) {
    let values = self.row(row)
    for key in firstPosition + row + 1..<paddedVisibleCount(row) { values[key] = -.infinity }
  }

  /// Makes everything behind the last visible key's strip zero.
  @inline(__always) func clearRest(ofRow row: Int) {
    let visible = paddedVisibleCount(row)
    (self.row(row) + visible).update(repeating: 0, count: rowStride - visible)
  }

  /// Turns the scores of a row into exp(scale · (score − largest)) and returns what they add up to.
  func exponentials(ofRow row: Int, scale: Float) -> SoftmaxParts {
    maskLastStrip(ofRow: row)
    let values = self.row(row)
    let count = paddedVisibleCount(row)
    let largest = maximum(values, count: count) * scale
    var sum = StripSum()
    for strip in strips(of: count) {
      let value = exponential(values[strip] * scale - largest)
      values[strip] = value
      sum.add(value)
    }
    clearRest(ofRow: row)
    return SoftmaxParts(largest: largest, sum: sum.total)
  }
}
