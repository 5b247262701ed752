import FlightRecorder
import Glibc
import Synchronization
import Topology

/// Messages that are matched with each other in order.
struct LoopbackChannel: Hashable, Sendable {
  let group: Int
  let source: Rank
  let destination: Rank
  let tag: Tag
}

/// A group made by splitting another.
struct LoopbackGroup: Hashable, Sendable {
  let parent: Int
  let splitNumber: Int
  let number: Int
}

/// One end of a message: bytes to be read or filled. The request that owns the memory outlives it or gives it up.
final class Delivery: @unchecked Sendable {
  let start: UnsafeMutableRawPointer
  let byteCount: Int
  private let arrived = Atomic<Int>(-1)

  init(_ bytes: MessageBytes) {
    start = bytes.start
    byteCount = bytes.count
  }

  /// The size of the message, once it has been copied.
  var arrivedByteCount: Int? {
    let count = arrived.load(ordering: .acquiring)
    return count < 0 ? nil : count
  }

  func complete(byteCount: Int) { arrived.store(byteCount, ordering: .releasing) }
}

/// The messages and receives of a fabric that have not met yet.
///
/// Whoever comes second, sender or receiver, copies the bytes, so nobody's progress depends on what a peer waits for.
struct LoopbackMailbox: ~Copyable {
  private struct Queue {
    var messages: [(delivery: Delivery, availableAt: UInt64)] = []
    var receives: [Delivery] = []
  }

  private var queues: [LoopbackChannel: Queue] = [:]
  private var delayed: Set<LoopbackChannel> = []
  private var groups: [LoopbackGroup: Int] = [:]
  private var sentCounts: [Int]
  private let rankCount: Int

  init(rankCount: Int) {
    self.rankCount = rankCount
    sentCounts = Array(repeating: 0, count: rankCount * rankCount)
  }

  var delayedChannelCount: Int { delayed.count }

  mutating func takeOrdinal(from source: Rank, to destination: Rank) -> Int {
    let pair = source.index * rankCount + destination.index
    defer { sentCounts[pair] += 1 }
    return sentCounts[pair]
  }

  mutating func send(_ delivery: Delivery, on channel: LoopbackChannel, availableAt: UInt64) {
    queues[channel, default: Queue()].messages.append((delivery, availableAt))
    if availableAt > 0 { delayed.insert(channel) }
    match(channel, now: availableAt > 0 || delayed.contains(channel) ? monotonicNanoseconds() : 0)
  }

  mutating func receive(_ delivery: Delivery, on channel: LoopbackChannel) {
    queues[channel, default: Queue()].receives.append(delivery)
    match(channel, now: delayed.contains(channel) ? monotonicNanoseconds() : 0)
  }

  mutating func matchDelayed(now: UInt64) {
    for channel in delayed { match(channel, now: now) }
  }

  /// The whole job is group 0.
  mutating func identifier(of group: LoopbackGroup) -> Int {
    if let known = groups[group] { return known }
    groups[group] = groups.count + 1
    return groups.count
  }

  /// Copies messages into receives while both ends are there.
  private mutating func match(_ channel: LoopbackChannel, now: UInt64) {
    guard var queue = queues[channel] else { return }
    queues[channel] = nil
    while let message = queue.messages.first, let receive = queue.receives.first, message.availableAt <= now {
      queue.messages.removeFirst()
      queue.receives.removeFirst()
      memcpy(receive.start, message.delivery.start, min(receive.byteCount, message.delivery.byteCount))
      receive.complete(byteCount: message.delivery.byteCount)
      message.delivery.complete(byteCount: message.delivery.byteCount)
    }
    if !queue.messages.contains(where: { $0.availableAt > 0 }) { delayed.remove(channel) }
    if !queue.messages.isEmpty || !queue.receives.isEmpty { queues[channel] = queue }
  }
}
