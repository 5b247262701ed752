import Communication
import Topology

/// A rank that sends something else in the place of its n-th message.
final class SubstitutingCommunicator: Communicator {
  private let base: any Communicator
  private let content: MessageBytes
  private let ordinal: Int
  private var sentCount = 0

  init(_ base: any Communicator, _ content: MessageBytes, for ordinal: Int) {
    self.base = base
    self.content = content
    self.ordinal = ordinal
  }

  var rank: Rank { base.rank }
  var worldRanks: [Rank] { base.worldRanks }
  var job: JobState { base.job }
  var collectives: CollectiveState { base.collectives }

  func startSend(_ bytes: MessageBytes, to peer: Rank, tag: Tag) throws(CommunicationError) -> Request {
    defer { sentCount += 1 }
    return try base.startSend(sentCount == ordinal ? content : bytes, to: peer, tag: tag)
  }

  func startReceive(into bytes: MessageBytes, from peer: Rank, tag: Tag) throws(CommunicationError) -> Request {
    try base.startReceive(into: bytes, from: peer, tag: tag)
  }

  func startProgressThread() { base.startProgressThread() }
  func poke(_ requests: [Request]) throws(CommunicationError) { try base.poke(requests) }

  func formGroup(_ members: [Rank], number: Int) throws(CommunicationError) -> any Communicator {
    try base.formGroup(members, number: number)
  }
}
