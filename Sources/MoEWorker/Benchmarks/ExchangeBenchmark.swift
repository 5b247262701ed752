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
  private let streams: [Stream]

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
    let slotCount = min(Self.window, messageCount)
    streams = (1..<max(world.size, 1)).flatMap { distance in
      let peer = Rank((world.rank.index + distance) % world.size)
      return [.receive, .send].map { Stream($0, with: peer, slotCount: slotCount, byteCount: byteCount) }
    }
  }

  /// The time of the slowest rank, in seconds.
  func seconds() throws -> Double {
    try Stopwatch.slowest(over: world) {
      var streams = streams
      // One list for all, changed in place: a new one for each poke would count references to every request in flight.
      var requests: [Request] = []
      for index in streams.indices {
        streams[index].firstSlot = requests.count
        for slot in streams[index].buffers.indices { requests.append(try start(&streams[index], slot)) }
      }
      try world.wait(
        in: "exchanging messages of \(byteCount) bytes", missing: requests.lazy.filter { !$0.isDone }.map(\.worldPeer)
      ) { () throws(CommunicationError) in
        try world.poke(requests)
        var isDone = true
        for index in streams.indices {
          try advance(&streams[index], &requests)
          if streams[index].doneCount < messageCount { isDone = false }
        }
        return isDone
      }
    }
  }

  /// Starts new messages in the place of those that are done, the oldest first.
  private func advance(_ stream: inout Stream, _ requests: inout [Request]) throws(CommunicationError) {
    while stream.doneCount < stream.startedCount {
      let slot = stream.doneCount % stream.buffers.count
      guard requests[stream.firstSlot + slot].isDone else { return }
      try requests[stream.firstSlot + slot].requireFull()
      stream.doneCount += 1
      if stream.startedCount < messageCount { requests[stream.firstSlot + slot] = try start(&stream, slot) }
    }
  }

  private func start(_ stream: inout Stream, _ slot: Int) throws(CommunicationError) -> Request {
    stream.startedCount += 1
    return switch stream.direction {
    case .receive: try world.startReceive(into: stream.buffers[slot], from: stream.peer, tag: Self.tag)
    case .send: try world.startSend(stream.buffers[slot], to: stream.peer, tag: Self.tag)
    }
  }

  private static let tag = Tag(1)

  /// What a rank sends in a second, in 10⁹ bytes.
  func gigabytesPerSecond(seconds: Double) -> Double {
    Double(streams.count / 2) * Double(messageCount) * Double(byteCount) / seconds / 1e9
  }
}

/// The messages to a peer, or those from it. Message i uses slot i modulo the window, of the memory and of the requests.
private struct Stream {
  let direction: Request.Direction
  let peer: Rank
  let buffers: [Buffer<UInt8>]
  /// Among all requests in flight.
  var firstSlot = 0
  var startedCount = 0
  var doneCount = 0

  init(_ direction: Request.Direction, with peer: Rank, slotCount: Int, byteCount: Int) {
    self.direction = direction
    self.peer = peer
    let block = Buffer<UInt8>(count: slotCount * byteCount)
    // So that all of it is there before it is used.
    block.fill(1)
    buffers = (0..<slotCount).map { block[$0 * byteCount..<($0 + 1) * byteCount] }
  }
}
