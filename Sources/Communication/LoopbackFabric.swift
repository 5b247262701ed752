import FlightRecorder
import Glibc
import Synchronization
package import Topology

/// Joins ranks that are threads of one process: the transport of tests.
///
/// Messages are matched by (communicator, source, destination, tag) in the order in which they were sent and received,
/// as MPI does. A send is done when its message has been taken, never earlier, so a program that counts on MPI's
/// buffering of small messages stands still here.
package final class LoopbackFabric: Sendable {
  /// What happens to a message on its way.
  package enum Fault: Sendable {
    /// It is lost; to the sender all looks well.
    case drop
    /// It arrives later, and what follows it with the same tag stays behind it.
    case delay(Duration)
  }

  /// A message as a fault rule sees it; ranks are those of the whole job.
  package struct Message: Hashable, Sendable {
    package let source: Rank
    package let destination: Rank
    package let tag: Tag
    package let byteCount: Int
    /// How many messages the source has sent to the destination before.
    package let ordinal: Int
  }

  /// Decides what happens to a message; nil lets it pass. Called with the fabric locked.
  package typealias FaultRule = @Sendable (Message) -> Fault?

  private let rankCount: Int
  private let faultRule: FaultRule?
  private let mailbox: Mutex<LoopbackMailbox>
  private let delayedCount = Atomic<Int>(0)

  package init(ranks rankCount: Int, faults: FaultRule? = nil) {
    precondition(rankCount > 0, "a fabric of \(rankCount) ranks")
    self.rankCount = rankCount
    faultRule = faults
    mailbox = Mutex(LoopbackMailbox(rankCount: rankCount))
  }

  /// Runs `body` on every rank, each on a thread of its own, and returns what came of it, by rank.
  package func run<Success: Sendable>(
    waitLimit: Duration = .seconds(10), _ body: @escaping @Sendable (LoopbackCommunicator) throws -> Success
  ) -> [Result<Success, any Error>] {
    let results = Mutex([Result<Success, any Error>?](repeating: nil, count: rankCount))
    RankThread.runAll(count: rankCount) { rank in
      let communicator = LoopbackCommunicator(self, world: Rank(rank), size: self.rankCount, waitLimit: waitLimit)
      let result = Result { try body(communicator) }
      results.withLock { $0[rank] = result }
    }
    return results.withLock { $0.compactMap(\.self) }
  }

  /// Runs `body` on every rank of a new fabric and returns the results by rank.
  ///
  /// - Throws: `LoopbackFailure` with the errors of all ranks that had one.
  @discardableResult
  package static func run<Success: Sendable>(
    ranks: Int, waitLimit: Duration = .seconds(10), faults: FaultRule? = nil,
    _ body: @escaping @Sendable (LoopbackCommunicator) throws -> Success
  ) throws(LoopbackFailure) -> [Success] {
    var values: [Success] = []
    var errors: [LoopbackFailure.RankError] = []
    for (rank, result) in LoopbackFabric(ranks: ranks, faults: faults).run(waitLimit: waitLimit, body).enumerated() {
      switch result {
      case .success(let value): values.append(value)
      case .failure(let error): errors.append(.init(rank: Rank(rank), error: error))
      }
    }
    guard errors.isEmpty else { throw LoopbackFailure(errors: errors) }
    return values
  }

  /// Hands over a message; it is copied as soon as a receive for it has been posted.
  func post(_ delivery: Delivery, on channel: LoopbackChannel) {
    mailbox.withLock { mailbox in
      let message = Message(
        source: channel.source, destination: channel.destination, tag: channel.tag, byteCount: delivery.byteCount,
        ordinal: mailbox.takeOrdinal(from: channel.source, to: channel.destination))
      switch faultRule?(message) {
      case .drop:
        delivery.complete(byteCount: delivery.byteCount)
      case .delay(let duration):
        mailbox.send(delivery, on: channel, availableAt: monotonicNanoseconds() + nanoseconds(of: duration))
        delayedCount.store(mailbox.delayedChannelCount, ordering: .relaxed)
      case nil:
        mailbox.send(delivery, on: channel, availableAt: 0)
      }
    }
  }

  /// Posts a receive; it is filled as soon as its message is there.
  func await(_ delivery: Delivery, on channel: LoopbackChannel) {
    mailbox.withLock { $0.receive(delivery, on: channel) }
  }

  /// Lets go of messages whose delay is over.
  func releaseDelayed() {
    guard delayedCount.load(ordering: .relaxed) > 0 else { return }
    mailbox.withLock { mailbox in
      mailbox.matchDelayed(now: monotonicNanoseconds())
      delayedCount.store(mailbox.delayedChannelCount, ordering: .relaxed)
    }
  }

  /// The identity of a group: the same for all ranks that name the same parent, split and color.
  func group(_ key: LoopbackGroup) -> Int { mailbox.withLock { $0.identifier(of: key) } }
}

/// The errors of the ranks of a loopback run.
package struct LoopbackFailure: Error, CustomStringConvertible {
  package struct RankError: Sendable {
    package let rank: Rank
    package let error: any Error
  }

  package let errors: [RankError]
  package var description: String { errors.map { "\($0.rank): \($0.error)" }.joined(separator: "\n") }
}
