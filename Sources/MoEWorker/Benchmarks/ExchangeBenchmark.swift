import Communication
import Tensors
import Topology

/// Every rank sends messages of one size to every other rank, and nothing else happens.
///
/// `launch/exchange-reference.c` is the same in plain C: the same number of messages in flight, the oldest looked at
/// first.
struct ExchangeBenchmark {
  /// What travels to each peer in one sample is at least this much, so that a sample is long against starting it.
  private static let leastSampleBytes = 8 << 20
  /// However small they are: a sample should not take seconds.
  private static let mostMessages = 16_384
  /// Messages in flight with each peer in each direction. MPI's cost of looking grows with their number, and eight of
  /// 64 KB are four milliseconds of a link of 1 Gbit/s.
  static let window = 8

  let byteCount: Int
  /// To each peer in each sample.
  let messageCount: Int
  private let world: any Communicator
  private let lanes: [Lane]

  static func messageCount(byteCount: Int) -> Int {
    min(mostMessages, (leastSampleBytes + byteCount - 1) / byteCount)
  }

  /// What a rank needs at least.
  static func memoryByteCount(byteCount: Int, rankCount: Int) -> Int {
    2 * (rankCount - 1) * min(window, messageCount(byteCount: byteCount)) * byteCount
  }

  init(byteCount: Int, over world: any Communicator) {
    self.byteCount = byteCount
    self.world = world
    let messageCount = Self.messageCount(byteCount: byteCount)
    self.messageCount = messageCount
    lanes = (1..<max(world.size, 1)).map { distance in
      Lane(
        with: Rank((world.rank.index + distance) % world.size), messageCount: messageCount, byteCount: byteCount,
        over: world)
    }
  }

  /// The time of the slowest rank, in seconds.
  func seconds() throws -> Double {
    try Stopwatch.slowest(over: world) {
      for lane in lanes { try lane.begin() }
      var open = lanes.flatMap(\.requests)
      try world.wait(
        in: "exchanging messages of \(byteCount) bytes", missing: open.lazy.filter { !$0.isDone }.map(\.worldPeer)
      ) { () throws(CommunicationError) in
        try world.poke(open)
        var hasMoved = false
        for lane in lanes where try lane.advance() { hasMoved = true }
        if hasMoved { open = lanes.flatMap(\.requests) }
        return open.isEmpty
      }
    }
  }

  /// What a rank sends in a second, in 10⁹ bytes.
  func gigabytesPerSecond(seconds: Double) -> Double {
    Double(lanes.count) * Double(messageCount) * Double(byteCount) / seconds / 1e9
  }
}

/// The messages to and from one peer. Message i uses slot i modulo the window.
private final class Lane {
  private let peer: Rank
  private let messageCount: Int
  private let world: any Communicator
  private let incoming: [Buffer<UInt8>]
  private let outgoing: [Buffer<UInt8>]
  private var receives = Direction()
  private var sends = Direction()

  /// Requests in flight, oldest first, and how many have been started.
  private struct Direction {
    var requests: [Request] = []
    var startedCount = 0

    /// Drops what is done, oldest first; returns whether there was any.
    mutating func retire() throws(CommunicationError) -> Bool {
      var count = 0
      while count < requests.count && requests[count].isDone {
        try requests[count].requireFull()
        count += 1
      }
      requests.removeFirst(count)
      return count > 0
    }
  }

  init(with peer: Rank, messageCount: Int, byteCount: Int, over world: any Communicator) {
    self.peer = peer
    self.messageCount = messageCount
    self.world = world
    let slots = 0..<min(ExchangeBenchmark.window, messageCount)
    incoming = slots.map { _ in Buffer(count: byteCount) }
    outgoing = slots.map { _ in Buffer(count: byteCount) }
    for buffer in incoming { buffer.fill(0) }
    for buffer in outgoing { buffer.fill(UInt8(truncatingIfNeeded: world.rank.index)) }
  }

  var requests: [Request] { receives.requests + sends.requests }

  func begin() throws(CommunicationError) {
    (receives, sends) = (Direction(), Direction())
    try startMore()
  }

  /// Starts new messages in the place of those that are done; returns whether there were any.
  func advance() throws(CommunicationError) -> Bool {
    let hasReceived = try receives.retire()
    let hasSent = try sends.retire()
    guard hasReceived || hasSent else { return false }
    try startMore()
    return true
  }

  private func startMore() throws(CommunicationError) {
    while receives.startedCount < messageCount && receives.requests.count < incoming.count {
      let slot = receives.startedCount % incoming.count
      receives.requests.append(try world.startReceive(into: incoming[slot], from: peer, tag: Self.tag))
      receives.startedCount += 1
    }
    while sends.startedCount < messageCount && sends.requests.count < outgoing.count {
      let slot = sends.startedCount % outgoing.count
      sends.requests.append(try world.startSend(outgoing[slot], to: peer, tag: Self.tag))
      sends.startedCount += 1
    }
  }

  private static let tag = Tag(1)
}
