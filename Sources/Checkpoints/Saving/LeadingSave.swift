import Communication
import Synchronization
import Tensors
import Topology

/// A save on rank 0: chunks of the other ranks' tensors come in while a thread writes; when it has ended and all that the others
/// give has come, they are told how it ended.
final class LeadingSave: SaveInFlight {
  private(set) var report: SaveReport?
  private let communicator: any Communicator
  private let files: CheckpointFiles
  private let streams: [IncomingStream]
  private let work: WritingWork
  /// What the others are told at the end.
  private var ending: SaveMessage?
  private var endingSends: [Request] = []
  /// What tells the others to go on waiting, by rank.
  private var signs: [Rank: Request] = [:]

  /// - Parameter own: what rank 0 gives itself.
  init(
    _ files: CheckpointFiles, _ division: SaveDivision, own: Snapshot, over communicator: any Communicator
  ) throws(CommunicationError) {
    self.communicator = communicator
    self.files = files
    var streams: [IncomingStream] = []
    for peer in communicator.peers where !division.tensors(from: peer).isEmpty {
      streams.append(try IncomingStream(from: peer, division, over: communicator))
    }
    self.streams = streams
    work = WritingWork(
      files, division, own: own, channels: Dictionary(uniqueKeysWithValues: streams.map { ($0.rank, $0.channel) }))
  }

  func advance() throws(CommunicationError) {
    guard report == nil else { return }
    try communicator.poke(streams.flatMap(\.requests) + signs.values + endingSends)
    for stream in streams { try stream.advance() }
    if ending == nil, let outcome = work.outcome, streams.allSatisfy(\.isDone), signs.values.allSatisfy(\.isDone) {
      try tell(SaveMessage(outcome))
    }
    guard let ending, endingSends.allSatisfy(\.isDone) else { return }
    report = ending.report(step: files.step, path: files.run.checkpointPath(step: files.step))
  }

  private func tell(_ message: SaveMessage) throws(CommunicationError) {
    ending = message
    let bytes = Buffer(message.bytes)
    for peer in communicator.peers {
      endingSends.append(try communicator.startSend(bytes, to: peer, tag: SaveStream.outcomeTag))
    }
  }

  // MARK: Waiting

  /// Waits as long as anything moves: messages, or the writing thread.
  func finish() throws(CommunicationError) {
    let clock = ContinuousClock()
    var (lastMove, lastSign) = (clock.now, clock.now)
    var seen = movement
    while report == nil {
      try advance()
      if movement != seen {
        seen = movement
        lastMove = clock.now
      }
      if clock.now - lastMove > communicator.waitLimit { throw stuck() }
      if clock.now - lastSign > communicator.waitLimit / 4 {
        lastSign = clock.now
        try giveSignOfLife()
      }
      RankThread.nap()
    }
  }

  private var movement: Int {
    streams.reduce(work.progress.count) { $0 + $1.arrivalCount } + endingSends.count(where: \.isDone)
  }

  private func stuck() -> CommunicationError {
    let missing = streams.filter { !$0.isDone }.map { "\(communicator.worldRanks[$0.rank.index])" }
    let path = files.run.checkpointPath(step: files.step)
    return communicator.job.fail(
      .noProgress,
      "the saving of \(path) has not moved for \(communicator.waitLimit); missing: "
        + (missing.isEmpty ? "the file system" : missing.joined(separator: ", ")))
  }

  /// Tells the others, who wait for rank 0 alone, that it is at work. Who has not taken the last sign yet gets no other.
  private func giveSignOfLife() throws(CommunicationError) {
    guard ending == nil else { return }
    let bytes = Buffer(SaveMessage.goOnWaiting.bytes)
    for peer in communicator.peers where signs[peer]?.isDone != false {
      signs[peer] = try communicator.startSend(bytes, to: peer, tag: SaveStream.outcomeTag)
    }
  }
}

/// The thread that writes a checkpoint.
private final class WritingWork: Sendable {
  let progress = WritingProgress()
  private let result = Mutex<Result<String?, Refusal>?>(nil)

  init(_ files: CheckpointFiles, _ division: SaveDivision, own: Snapshot, channels: [Rank: ChunkChannel]) {
    RankThread.startDetached { [self] in
      let feed = TensorFeed(division, own: own, channels: channels, progress: progress)
      let outcome = Result { try files.write(feed) }.mapError { Refusal($0) }
      result.withLock { $0 = outcome }
    }
  }

  /// How it ended; nil while it goes on.
  var outcome: Result<String?, Refusal>? { result.withLock(\.self) }
}
