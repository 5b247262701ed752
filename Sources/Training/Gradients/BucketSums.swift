import Communication
import Tensors

/// The sums of one stretch of gradients over one group of ranks, bucket by bucket.
final class BucketSums {
  private let gradients: Buffer<Float>
  private let queue: SumQueue
  private var buckets: GradientBuckets

  init(_ buckets: GradientBuckets, of gradients: ParameterBuffer, over group: any Communicator) {
    self.gradients = gradients.values
    self.buckets = buckets
    queue = SumQueue(
      largest: buckets.ranges.map(\.count).max() ?? 0, count: buckets.ranges.count, over: group)
  }

  /// Prepares for another backward pass.
  func begin() {
    precondition(queue.isEmpty, "gradient sums are still in flight")
    buckets.reset()
  }

  /// Takes note that the gradients of a range are final on this rank, and starts what that completes.
  func finish(_ range: Range<Int>) throws(CommunicationError) {
    buckets.finish(range)
    while let bucket = buckets.next() { queue.append(gradients[bucket]) }
    try queue.advance()
  }

  /// Moves messages without waiting.
  func advance() throws(CommunicationError) { try queue.advance() }

  /// Waits until every bucket has been summed.
  func complete() throws(CommunicationError) {
    try queue.complete()
    precondition(buckets.isExhausted, "backward ended without finishing every gradient")
  }
}
