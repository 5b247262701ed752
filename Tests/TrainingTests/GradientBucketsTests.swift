import Tensors
import Testing
import Training

struct GradientBucketsTests {
  /// Tensors of 10, 20, 30, … elements; each starts on a multiple of 16.
  private func layout(tensorCount: Int, replicated: Int) -> ParameterLayout {
    var layout = ParameterLayout()
    for index in 0..<tensorCount {
      layout.add("tensor\(index)", [10 * (index + 1)], isReplicated: index < replicated)
    }
    return layout
  }

  private func drain(_ buckets: inout GradientBuckets) -> [Range<Int>] {
    var result: [Range<Int>] = []
    while let bucket = buckets.next() { result.append(bucket) }
    return result
  }

  @Test("buckets cover their stretch once, at multiples of the size", arguments: [1, 7, 16, 64, 1000])
  func cover(size: Int) {
    let layout = layout(tensorCount: 6, replicated: 4)
    let stretch = layout.replicatedCount..<layout.count
    let buckets = GradientBuckets(stretch, of: layout, size: size)
    #expect(buckets.ranges.first?.lowerBound == stretch.lowerBound)
    #expect(buckets.ranges.last?.upperBound == stretch.upperBound)
    for (left, right) in zip(buckets.ranges, buckets.ranges.dropFirst()) {
      #expect(left.upperBound == right.lowerBound)
      #expect(left.count == size)
    }
  }

  @Test func bucketsComeOutLastFirstHoweverTheirGradientsAreFinished() {
    let layout = layout(tensorCount: 5, replicated: 5)
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]] {
      var buckets = GradientBuckets(0..<layout.count, of: layout, size: 32)
      var seen: [Range<Int>] = []
      for index in order {
        buckets.finish(layout.slot("tensor\(index)").range)
        seen += drain(&buckets)
      }
      #expect(seen == buckets.ranges.reversed())
      #expect(buckets.isExhausted)
    }
  }

  @Test func aBucketWaitsForEveryTensorInIt() {
    let layout = layout(tensorCount: 3, replicated: 3)
    var buckets = GradientBuckets(0..<layout.count, of: layout, size: layout.count)
    buckets.finish(layout.slot("tensor2").range)
    buckets.finish(layout.slot("tensor0").range)
    #expect(buckets.next() == nil)
    buckets.finish(layout.slot("tensor1").range)
    #expect(buckets.next() == 0..<layout.count)
  }

  @Test func aRangeOverManyTensorsAndTheirPaddingFinishesAllOfThem() {
    let layout = layout(tensorCount: 6, replicated: 6)
    var buckets = GradientBuckets(0..<layout.count, of: layout, size: 50)
    buckets.finish(0..<layout.count)
    #expect(drain(&buckets).count == buckets.ranges.count)
  }

  @Test func tensorsOutsideOfTheStretchDoNotCount() {
    let layout = layout(tensorCount: 6, replicated: 3)
    var buckets = GradientBuckets(0..<layout.replicatedCount, of: layout, size: 40)
    buckets.finish(layout.replicatedCount..<layout.count)
    #expect(buckets.next() == nil)
    buckets.finish(0..<layout.replicatedCount)
    #expect(drain(&buckets).count == buckets.ranges.count)
  }

  @Test func aStretchOfNothingHasNoBuckets() {
    let layout = layout(tensorCount: 3, replicated: 3)
    var buckets = GradientBuckets(layout.replicatedCount..<layout.count, of: layout)
    buckets.finish(0..<layout.count)
    #expect(buckets.next() == nil)
    #expect(buckets.isExhausted)
  }

  @Test func afterAResetTheNextPassBeginsAnew() {
    let layout = layout(tensorCount: 4, replicated: 4)
    var buckets = GradientBuckets(0..<layout.count, of: layout, size: 64)
    buckets.finish(0..<layout.count)
    let first = drain(&buckets)
    buckets.reset()
    #expect(buckets.next() == nil)
    buckets.finish(0..<layout.count)
    #expect(drain(&buckets) == first)
  }
}
