package import Tensors

/// A stretch of the gradient buffer cut into buckets, and which of them backward has finished.
///
/// The boundaries are multiples of a fixed size from the stretch's start: a function of the layout alone, the same on
/// every rank. Backward reports finished ranges in any order and any size; a bucket is complete when all parameters in
/// it are. Buckets are handed out from the last one to the first, whatever order they complete in: all ranks start
/// their sums in the same order, and it is the order of a backward pass, which begins at the end of the model.
package struct GradientBuckets: Sendable {
  /// 4 MB: large enough for a link to run at full rate, small enough to begin early.
  package static let defaultSize = 1 << 20

  /// The elements of each bucket, in the buffer's order.
  package let ranges: [Range<Int>]
  private let stretch: Range<Int>
  private let size: Int
  private let slots: [ParameterSlot]
  /// Parameters in a bucket; its padding needs no gradient.
  private let parameterCounts: [Int]
  /// Parameters of a bucket whose gradients are not finished yet.
  private var missing: [Int]
  /// Buckets that have not been handed out: those before this index.
  private var remaining: Int

  /// - Parameters:
  ///   - stretch: which elements of the layout's buffer to cut up.
  ///   - size: elements in a bucket; the last bucket may hold fewer.
  package init(_ stretch: Range<Int>, of layout: ParameterLayout, size: Int = defaultSize) {
    precondition(size > 0, "buckets of \(size) elements")
    self.stretch = stretch
    self.size = size
    slots = layout.slots.filter { $0.range.overlaps(stretch) }
    ranges = stride(from: stretch.lowerBound, to: stretch.upperBound, by: size).map {
      $0..<min($0 + size, stretch.upperBound)
    }
    var counts = [Int](repeating: 0, count: ranges.count)
    for slot in slots {
      Self.forEachBucket(of: slot.range.clamped(to: stretch), in: stretch, size: size) { counts[$0] += $1 }
    }
    parameterCounts = counts
    missing = counts
    remaining = ranges.count
  }

  /// Forgets what was finished: the next backward pass begins.
  package mutating func reset() {
    for index in missing.indices { missing[index] = parameterCounts[index] }
    remaining = ranges.count
  }

  /// Takes note that the gradients of a range are final. Each parameter may be reported once.
  package mutating func finish(_ range: Range<Int>) {
    for slot in slots where slot.range.overlaps(range) {
      let finished = slot.range.clamped(to: range).clamped(to: stretch)
      Self.forEachBucket(of: finished, in: stretch, size: size) { bucket, count in
        missing[bucket] -= count
        precondition(missing[bucket] >= 0, "gradients of \(slot.name) reported twice")
      }
    }
  }

  /// The next bucket to sum, if it is complete.
  package mutating func next() -> Range<Int>? {
    guard remaining > 0, missing[remaining - 1] == 0 else { return nil }
    remaining -= 1
    return ranges[remaining]
  }

  /// Whether every bucket has been handed out.
  package var isExhausted: Bool { remaining == 0 }

  /// Calls `body` with each bucket that a range reaches into and how many of its elements lie there.
  private static func forEachBucket(
    of range: Range<Int>, in stretch: Range<Int>, size: Int, _ body: (_ bucket: Int, _ count: Int) -> Void
  ) {
    var position = range.lowerBound
    while position < range.upperBound {
      let bucket = (position - stretch.lowerBound) / size
      let end = min(stretch.lowerBound + (bucket + 1) * size, range.upperBound)
      body(bucket, end - position)
      position = end
    }
  }
}
