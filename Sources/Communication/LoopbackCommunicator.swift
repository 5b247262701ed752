package import Topology

/// A group of ranks that are threads of one process. See `LoopbackFabric`.
package final class LoopbackCommunicator: Communicator {
  package let rank: Rank
  package let worldRanks: [Rank]
  package let job: JobState
  package let collectives = CollectiveState()
  private let fabric: LoopbackFabric
  private let group: Int
  private var splitCount = 0

  init(_ fabric: LoopbackFabric, world rank: Rank, size: Int, waitLimit: Duration) {
    self.fabric = fabric
    self.rank = rank
    worldRanks = (0..<size).map(Rank.init)
    job = JobState(worldRank: rank, worldSize: size, waitLimit: waitLimit)
    group = 0
  }

  private init(group: Int, members: [Rank], of parent: LoopbackCommunicator) {
    fabric = parent.fabric
    rank = Rank(members.firstIndex(of: parent.rank) ?? 0)
    worldRanks = members.map { parent.worldRanks[$0.index] }
    job = parent.job
    self.group = group
  }

  package func startSend(_ bytes: MessageBytes, to peer: Rank, tag: Tag) throws(CommunicationError) -> Request {
    checkPeer(peer)
    let delivery = Delivery(bytes)
    fabric.post(delivery, on: channel(from: rank, to: peer, tag: tag))
    job.noteSend(byteCount: bytes.count, to: worldRanks[peer.index], tag: tag)
    return Request(.send, bytes, peer: peer, of: self, tag: tag, transport: .loopback(delivery))
  }

  package func startReceive(into bytes: MessageBytes, from peer: Rank, tag: Tag) throws(CommunicationError) -> Request {
    checkPeer(peer)
    let delivery = Delivery(bytes)
    fabric.await(delivery, on: channel(from: peer, to: rank, tag: tag))
    return Request(.receive, bytes, peer: peer, of: self, tag: tag, transport: .loopback(delivery))
  }

  package func poke(_ requests: [Request]) throws(CommunicationError) {
    fabric.releaseDelayed()
    var failure: CommunicationError?
    for request in requests where !request.isDone {
      guard case .loopback(let delivery) = request.transport, let byteCount = delivery.arrivedByteCount else {
        continue
      }
      job.complete(request, receivedByteCount: min(byteCount, request.byteCount))
      if byteCount > request.byteCount { failure = failure ?? request.tooLong("it has \(byteCount)") }
    }
    if let failure { throw failure }
  }

  /// Whoever comes second moves a message here.
  package func startProgressThread() {}

  package func formGroup(_ members: [Rank], number: Int) throws(CommunicationError) -> any Communicator {
    defer { splitCount += 1 }
    let key = LoopbackGroup(parent: group, splitNumber: splitCount, number: number)
    return LoopbackCommunicator(group: fabric.group(key), members: members, of: self)
  }

  private func channel(from source: Rank, to destination: Rank, tag: Tag) -> LoopbackChannel {
    LoopbackChannel(
      group: group, source: worldRanks[source.index], destination: worldRanks[destination.index], tag: tag)
  }
}
