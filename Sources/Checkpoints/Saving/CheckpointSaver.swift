package import Communication
package import LanguageModel
package import Tensors
package import Topology

/// Saves `checkpoint-STEP` folders while training goes on.
///
///     start(step:_:)    copies the tensors and lets a thread write them; the caller may change its own at once
///     poke()            between tasks of a step: moves messages
///     takeReport()      between steps: how a save ended
///     finish()          waits for the save that is under way
///
/// One save is under way at a time: one that is started too early waits for the one before. Every rank calls `start` and `finish`
/// at the same point of the run, and they return the same on all.
package final class CheckpointSaver {
  private let run: RunDirectory
  private let communicator: any Communicator
  private let largestShard: Int
  private let keeping: Int?
  private let configuration: ModelConfiguration
  private var division: SaveDivision
  private var snapshot: Snapshot
  private var save: (any SaveInFlight)?
  /// What went wrong in a poke, which cannot throw.
  private var failure: CommunicationError?

  /// Takes the memory. Every rank calls it.
  ///
  /// - Parameters:
  ///   - layout: of this rank's buffers.
  ///   - keeping: how many checkpoints stay, at least one; nil for all.
  ///   - largestShard: the most bytes of weights in one file, unless a single tensor is larger.
  package init(
    _ run: RunDirectory, of configuration: ModelConfiguration, layout: ParameterLayout, keeping: Int? = nil,
    communicator: any Communicator, largestShard: Int = 5_000_000_000
  ) throws(CommunicationError) {
    precondition(keeping ?? 1 >= 1, "keeping \(keeping ?? 0) checkpoints")
    self.run = run
    self.configuration = configuration
    self.keeping = keeping
    self.communicator = communicator
    self.largestShard = largestShard
    division = try SaveDivision(of: configuration, layout: layout, over: communicator)
    snapshot = Snapshot(division, of: communicator.rank)
  }

  /// Takes note that tensors have changed ranks. Every rank calls it.
  ///
  /// - Returns: how the save before ended, if it was still under way.
  package func move(to layout: ParameterLayout) throws(CommunicationError) -> SaveReport? {
    let previous = try finish()
    division = try SaveDivision(of: configuration, layout: layout, over: communicator)
    snapshot = Snapshot(division, of: communicator.rank)
    return previous
  }

  /// Copies what this rank gives to the checkpoint and begins to save it.
  ///
  /// - Returns: how the save before ended, if it was still under way.
  package func start(step: Int, _ contents: CheckpointContents) throws(CommunicationError) -> SaveReport? {
    let previous = try finish()
    try performing(step) { () throws(CommunicationError) in
      snapshot.take(contents.buffers)
      save =
        communicator.rank == TensorStream.leader
        ? try LeadingSave(
          CheckpointFiles(
            run: run, step: step, small: SmallFiles(contents), largestShard: largestShard, keeping: keeping),
          division, own: snapshot, over: communicator)
        : try ContributingSave(
          step: step, path: run.checkpointPath(step: step), snapshot, over: communicator)
    }
    return previous
  }

  /// Moves messages without waiting. An error shows in the next call that can throw.
  package func poke() {
    guard let save, failure == nil else { return }
    do throws(CommunicationError) { try save.advance() } catch { failure = error }
  }

  /// How the save that was under way ended; nil if there was none, or it goes on.
  package func takeReport() throws(CommunicationError) -> SaveReport? {
    poke()
    if let failure { throw failure }
    guard let report = save?.report else { return nil }
    save = nil
    return report
  }

  /// Waits for the save that is under way, and says how it ended; nil if there is none.
  package func finish() throws(CommunicationError) -> SaveReport? {
    guard let save else { return nil }
    if let failure { throw failure }
    try performing(nil) { () throws(CommunicationError) in try save.finish() }
    return try takeReport()
  }

  private func performing(
    _ step: Int?, _ body: () throws(CommunicationError) -> Void
  ) throws(CommunicationError) {
    let previous = communicator.activity
    communicator.activity = Activity(.save, step: step ?? previous.step)
    defer { communicator.activity = previous }
    try body()
  }
}

extension CheckpointSaver {
  /// Bytes that saving takes on a rank: the copy of what it gives and, on rank 0, room for the chunks of the others.
  ///
  /// - Parameters:
  ///   - replicatedCount: parameters that every rank holds.
  ///   - expertCount: parameters of the experts that this rank hosts.
  package static func byteCount(
    replicatedCount: Double, expertCount: Double, rank: Rank, expertParallelSize: Int
  ) -> Double {
    guard rank.index < expertParallelSize else { return 0 }
    let isLeader = rank == TensorStream.leader
    let copies = Double(TrainingStateNames.prefixes.count * MemoryLayout<Float>.stride)
    let room = SaveStream.window * SaveStream.chunkCount * MemoryLayout<Float>.stride * (expertParallelSize - 1)
    return copies * (expertCount + (isLeader ? replicatedCount : 0)) + (isLeader ? Double(room) : 0)
  }
}
