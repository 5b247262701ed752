import Communication
import Tensors

/// Sums over one group of ranks, started in the order in which they are added, a few in flight at a time.
///
/// The group is used for nothing else: when a sum starts depends on when another one was done, and only the order is
/// the same on all ranks.
final class SumQueue {
  /// Sums in flight at once: enough to keep a link busy, few enough that their scratch stays small.
  private static let window = 4

  private let group: any Communicator
  /// Memory for the messages of each sum in flight, used in turn.
  private let scratch: [Buffer<Float>]
  private var startedCount = 0
  /// Not started yet, first one first.
  private var waiting: [Buffer<Float>] = []
  /// Started and not yet known to be done, oldest first.
  private var inFlight: [PendingSum<Float>] = []

  /// - Parameters:
  ///   - largest: elements of the largest sum.
  ///   - count: how many sums there are at most between two calls of `complete`.
  init(largest: Int, count: Int, over group: any Communicator) {
    self.group = group
    let needed = PendingSum<Float>.scratchCount(for: largest, size: group.size)
    scratch = (0..<min(Self.window, count)).map { _ in Buffer(count: needed) }
  }

  var isEmpty: Bool { waiting.isEmpty && inFlight.isEmpty }

  /// Adds a sum, which starts when one of those before it is done.
  func append(_ values: Buffer<Float>) { waiting.append(values) }

  /// Moves the sums in flight and starts waiting ones, without waiting.
  func advance() throws(CommunicationError) {
    for sum in inFlight { try sum.advance() }
    while let first = inFlight.first, first.isDone { inFlight.removeFirst() }
    while inFlight.count < scratch.count, !waiting.isEmpty {
      inFlight.append(try group.startSum(waiting.removeFirst(), scratch: scratch[startedCount % scratch.count]))
      startedCount += 1
    }
  }

  /// Waits until every sum is done.
  func complete() throws(CommunicationError) {
    try advance()
    while let oldest = inFlight.first {
      try oldest.finish()
      try advance()
    }
  }
}
