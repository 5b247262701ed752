import Communication
import Synchronization
import Tensors
import Topology

/// A save on a rank that does not write: its snapshot goes to rank 0 in chunks, then its tensors' digests, and at last rank 0 says
/// how it ended.
final class ContributingSave: SaveInFlight {
  private(set) var report: SaveReport?
  private let communicator: any Communicator
  private let step: Int
  private let path: String
  private let snapshot: Snapshot
  private var chunks: ArraySlice<Range<Int>>
  /// Chunks, and at last the digests, on their way.
  private var sends: [Request] = []
  private var digests: DigestWork?
  private let message = Buffer<UInt8>(count: SaveMessage.byteCount)
  private var messageReceive: Request

  init(step: Int, path: String, _ snapshot: Snapshot, over communicator: any Communicator) throws(CommunicationError) {
    self.step = step
    self.path = path
    self.snapshot = snapshot
    self.communicator = communicator
    chunks = SaveStream.chunks(of: snapshot.values.count)[...]
    digests = snapshot.isEmpty ? nil : DigestWork(of: snapshot)
    messageReceive = try communicator.startReceive(
      into: message, from: TensorStream.leader, tag: SaveStream.outcomeTag)
  }

  func advance() throws(CommunicationError) {
    guard report == nil else { return }
    try communicator.poke(sends + [messageReceive])
    sends.removeAll(where: \.isDone)
    while sends.count < SaveStream.window, let chunk = chunks.popFirst() {
      sends.append(
        try communicator.startSend(snapshot.values[chunk], to: TensorStream.leader, tag: SaveStream.chunkTag))
    }
    if let values = digests?.result {
      digests = nil
      sends.append(
        try communicator.startSend(Buffer(values), to: TensorStream.leader, tag: SaveStream.digestTag))
    }
    try takeMessage()
  }

  private func takeMessage() throws(CommunicationError) {
    guard messageReceive.isDone else { return }
    guard let received = SaveMessage(bytes: message.elements) else {
      throw communicator.job.fail(.unexpectedMessage, "rank 0 said something about a checkpoint that is not understood")
    }
    guard let end = received.report(step: step, path: path) else {
      messageReceive = try communicator.startReceive(
        into: message, from: TensorStream.leader, tag: SaveStream.outcomeTag)
      return
    }
    // Rank 0 speaks last, so everything has been taken; MPI may not have told this rank so yet.
    guard chunks.isEmpty, digests == nil else {
      throw communicator.job.fail(.unexpectedMessage, "rank 0 ended a checkpoint before it had everything")
    }
    try communicator.wait(for: sends, what: "giving a checkpoint to rank 0")
    report = end
  }

  func finish() throws(CommunicationError) {
    try communicator.wait(
      in: "the saving of the checkpoint of step \(step)", missing: [communicator.worldRanks[TensorStream.leader.index]]
    ) { () throws(CommunicationError) in
      try advance()
      return report != nil
    }
  }
}

/// A thread that computes the digests of a snapshot.
private final class DigestWork: Sendable {
  private let values = Mutex<[UInt64]?>(nil)

  init(of snapshot: Snapshot) {
    RankThread.startDetached { [self] in
      let digests = snapshot.digests()
      values.withLock { $0 = digests }
    }
  }

  /// Nil until they are computed.
  var result: [UInt64]? { values.withLock(\.self) }
}
