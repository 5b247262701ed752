import Communication
import Tensors

/// The sums of one stretch of gradients over one group of ranks, bucket by bucket, a few in flight at a time.
///
/// The group is used for nothing else: when a bucket starts depends on when another one was done, and only the order
/// is the same on all ranks.
final class BucketSums {
  /// Buckets in flight at once: enough to keep a link busy, few enough that their scratch stays small.
  private static let window = 4

  private let group: any Communicator
  private let gradients: Buffer<Float>
  private var buckets: GradientBuckets
  /// Memory for the messages of each bucket in flight, used in turn.
  private let scratch: [Buffer<Float>]
  private var startedCount = 0
  /// Started and not yet known to be done, oldest first.
  private var inFlight: [PendingSum<Float>] = []

  init(_ buckets: GradientBuckets, of gradients: ParameterBuffer, over group: any Communicator) {
    self.group = group
    self.gradients = gradients.values
    self.buckets = buckets
    let largest = buckets.ranges.map(\.count).max() ?? 0
    let count = PendingSum<Float>.scratchCount(for: largest, size: group.size)
    scratch = (0..<min(Self.window, buckets.ranges.count)).map { _ in Buffer(count: count) }
  }

  /// Prepares for another backward pass.
  func begin() {
    precondition(inFlight.isEmpty, "\(inFlight.count) gradient sums are still in flight")
    buckets.reset()
  }

  /// Takes note that the gradients of a range are final on this rank, and starts what that completes.
  func finish(_ range: Range<Int>) throws(CommunicationError) {
    buckets.finish(range)
    try advance()
  }

  /// Moves the sums in flight and starts waiting ones, without waiting.
  func advance() throws(CommunicationError) {
    for sum in inFlight { try sum.advance() }
    while let first = inFlight.first, first.isDone { inFlight.removeFirst() }
    while inFlight.count < scratch.count, let bucket = buckets.next() {
      inFlight.append(try group.startSum(gradients[bucket], scratch: scratch[startedCount % scratch.count]))
      startedCount += 1
    }
  }

  /// Waits until every bucket has been summed.
  func complete() throws(CommunicationError) {
    while let oldest = inFlight.first {
      try oldest.finish()
      try advance()
    }
    precondition(buckets.isExhausted, "backward ended without finishing every gradient")
  }
}
