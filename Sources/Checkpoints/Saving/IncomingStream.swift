import Communication
import Tensors
import Topology

/// The receiving end, on rank 0, of what one rank gives to a checkpoint.
final class IncomingStream {
  let rank: Rank
  let channel: ChunkChannel
  private let communicator: any Communicator
  private var chunks: ArraySlice<Range<Int>>
  /// Receives in the order of the stream.
  private var receives: [(request: Request, chunk: Buffer<Float>, count: Int)] = []
  private let digests: Buffer<UInt64>
  private let digestReceive: Request
  private var hasDigests = false
  /// How much has come: moves while the other rank gets on.
  private(set) var arrivalCount = 0

  init(
    from rank: Rank, _ division: SaveDivision, over communicator: any Communicator
  ) throws(CommunicationError) {
    self.rank = rank
    self.communicator = communicator
    chunks = SaveStream.chunks(of: division.elementCount(from: rank))[...]
    channel = ChunkChannel(
      chunkCount: min(SaveStream.window, chunks.count), elementCount: chunks.first?.count ?? 0)
    digests = Buffer(count: division.tensors(from: rank).count)
    digestReceive = try communicator.startReceive(into: digests, from: rank, tag: SaveStream.digestTag)
  }

  /// Job failed or not: the writing thread must not wait for ever.
  deinit { channel.close() }

  var isDone: Bool { chunks.isEmpty && receives.isEmpty && hasDigests }

  var requests: [Request] { receives.map(\.request) + (hasDigests ? [] : [digestReceive]) }

  /// Hands over what has come, and makes room for more.
  func advance() throws(CommunicationError) {
    while let first = receives.first, first.request.isDone {
      try first.request.requireFull()
      receives.removeFirst()
      channel.deliver(first.chunk, count: first.count)
      arrivalCount += 1
    }
    while let next = chunks.first, let chunk = channel.takeEmpty() {
      chunks.removeFirst()
      let request = try communicator.startReceive(into: chunk[0..<next.count], from: rank, tag: SaveStream.chunkTag)
      receives.append((request, chunk, next.count))
    }
    if !hasDigests, chunks.isEmpty, receives.isEmpty, digestReceive.isDone {
      try digestReceive.requireFull()
      hasDigests = true
      arrivalCount += 1
      channel.deliver(digests: digests.elements)
    }
  }
}
