package import Communication
package import LanguageModel
package import Tensors
import Topology

/// A model directory, or a run's newest checkpoint, as all ranks of a job read it together.
///
/// What rank 0 sees counts. A rank that sees the same files reads the tensors it holds by itself; one that sees nothing
/// there, or something else, is sent them by rank 0. So the ranks need no file system in common.
package final class ModelSource {
  package let configuration: ModelConfiguration
  /// What rank 0 found, apart from the tensors.
  private let found: FoundModel
  private let communicator: any Communicator
  /// The files, where this rank sees what rank 0 sees.
  private let files: ModelFiles?

  /// Where rank 0 found it.
  package var path: String { found.path }
  /// The content of `tokenizer.json`, if there is one.
  package var tokenizer: [UInt8]? { found.tokenizer }
  /// After how many steps the checkpoint was saved; nil for a plain model directory.
  package var step: Int? { found.step }
  /// The JSON that was saved with the checkpoint; nil where only the model was asked for.
  package var trainerState: [UInt8]? { found.trainerState }
  /// One line for every newer checkpoint that was passed over because it is not complete.
  package var notices: [String] { found.notices }
  /// Whether this rank reads the files by itself.
  package var isVisibleHere: Bool { files != nil }

  // MARK: Opening

  /// Opens a model directory, or the newest complete checkpoint of a run directory. Every rank calls it.
  ///
  /// - Parameter limit: of a run's checkpoints, only those of earlier steps count.
  package static func model(
    _ path: String, before limit: Int = .max, communicator: any Communicator, files: any FileSystem = LocalFileSystem()
  ) throws(Refusal) -> ModelSource {
    let source = try open(communicator, files, withTrainingState: false) { () throws(CheckpointError) in
      try FoundModel.locate(path, before: limit, files)
    }
    guard let source else { preconditionFailure("a model was neither found nor refused") }
    return source
  }

  /// Opens the newest complete checkpoint of a run with its training state; nil when there is none.
  ///
  /// Every rank calls it.
  /// - Parameter limit: only those of earlier steps count.
  package static func newestCheckpoint(
    in run: RunDirectory, before limit: Int = .max, communicator: any Communicator
  ) throws(Refusal) -> ModelSource? {
    try open(communicator, run.files, withTrainingState: true) { () throws(CheckpointError) in
      try run.newestCheckpoint(before: limit).map(FoundModel.init)
    }
  }

  /// Whether it makes sense to go on to the checkpoint before, now that loading this one was refused: its content, or the
  /// disk below it, is damaged.
  package func mayBePassedOver(because refusal: Refusal) -> Bool {
    step != nil && [.invalidData, .inputOutput].contains(refusal.kind)
  }

  private static func open(
    _ communicator: any Communicator, _ files: any FileSystem, withTrainingState: Bool,
    _ locate: () throws(CheckpointError) -> FoundModel?
  ) throws(Refusal) -> ModelSource? {
    try communicator.performing(Activity(.load)) { () throws(Refusal) in
      var own: ModelFiles?
      let found = try communicator.agree { () -> FoundModel? in
        guard communicator.rank == TensorStream.leader, var found = try locate() else { return nil }
        let opened = try ModelFiles(found.path, withMoments: withTrainingState, files)
        try found.readSmallFiles(opened, withTrainingState: withTrainingState, files)
        own = opened
        return found
      }
      let parts = try communicator.agree { try communicator.broadcast(found?.parts) }
      guard let parts else { return nil }
      return try communicator.agree {
        let found = try FoundModel(parts: parts)
        if own == nil {
          own = try? ModelFiles(found.path, withMoments: withTrainingState, files)
          if own?.fingerprint != found.fingerprint { own = nil }
        }
        return try ModelSource(found, own, communicator)
      }
    }
  }

  private init(_ found: FoundModel, _ files: ModelFiles?, _ communicator: any Communicator) throws(CheckpointError) {
    configuration = try ConfigurationReader.read(
      found.configuration, path: found.path + "/" + ModelDirectory.configurationName)
    self.found = found
    self.files = files
    self.communicator = communicator
  }

  // MARK: Loading

  /// Fills a rank's weights. Every rank calls it.
  package func loadWeights(into weights: ParameterBuffer) throws(Refusal) { try load([weights]) }

  /// Fills a rank's weights and moments, which have one layout. Every rank calls it.
  ///
  /// - Precondition: the source is a run's checkpoint.
  package func loadTrainingState(
    weights: ParameterBuffer, firstMoment: ParameterBuffer, secondMoment: ParameterBuffer
  ) throws(Refusal) {
    precondition(trainerState != nil, "\(path) was opened without its training state")
    try load([weights, firstMoment, secondMoment])
  }

  private func load(_ buffers: [ParameterBuffer]) throws(Refusal) {
    try communicator.performing(Activity(.load, step: step)) { () throws(Refusal) in
      try communicator.agree {
        let isBlind = files == nil
        let holders = try TensorHolders.gather(buffers[0].layout, takesPart: isBlind, over: communicator)
        if let holders, let files {
          try TensorDistributor(communicator, files, holders, buffers, slots).distribute()
        } else {
          try readAndFollow(buffers)
        }
      }
    }
  }

  private var slots: [ParameterSlot] { TrainingStateNames.slots(of: configuration) }

  /// Another rank: reads what it sees, then does what rank 0 says, even when reading has failed.
  private func readAndFollow(_ buffers: [ParameterBuffer]) throws {
    let reading = Result {
      guard let files else { return }
      for (number, buffer) in buffers.enumerated() {
        for slot in buffer.layout.slots {
          try files.read(slot.name, buffer: number, into: buffer.values[slot.range])
        }
      }
    }
    try TensorStreamFollower(communicator, tensors: slots.map(\.name), buffers: buffers).follow()
    try reading.get()
  }
}

/// Rank 0's walk through the files: it reads every tensor that it or a rank without sight of the files needs.
private struct TensorDistributor {
  private let leader: TensorStreamLeader
  private let files: ModelFiles
  private let holders: TensorHolders
  private let buffers: [ParameterBuffer]
  private let slots: [ParameterSlot]

  init(
    _ communicator: any Communicator, _ files: ModelFiles, _ holders: TensorHolders, _ buffers: [ParameterBuffer],
    _ slots: [ParameterSlot]
  ) {
    leader = TensorStreamLeader(communicator)
    self.files = files
    self.holders = holders
    self.buffers = buffers
    self.slots = slots
  }

  func distribute() throws {
    let outcome = Result {
      for (number, buffer) in buffers.enumerated() {
        for index in slots.indices { try distribute(index, number, buffer) }
      }
    }
    if case .failure(let error) = outcome, error is CommunicationError { throw error }
    try leader.end()
    try outcome.get()
  }

  private func distribute(_ index: Int, _ number: Int, _ buffer: ParameterBuffer) throws {
    let slot = slots[index]
    let peers = holders.ranks(holding: slot.name)
    let isMine = buffer.layout.contains(slot.name)
    guard isMine || !peers.isEmpty else { return }
    let values = isMine ? buffer[slot.name].buffer : Buffer<Float>(count: slot.shape.elementCount)
    try files.read(slot.name, buffer: number, into: values)
    for piece in TensorStream.pieces(buffer: number, tensor: index, elementCount: values.count) {
      try leader.push(piece, values[piece.elements], to: peers)
    }
    try leader.giveSignOfLife()
  }
}

extension Communicator {
  /// Says what this rank is doing while `body` runs.
  func performing<Result>(
    _ activity: Activity, _ body: () throws(Refusal) -> Result
  ) throws(Refusal) -> Result {
    let previous = self.activity
    self.activity = activity
    defer { self.activity = previous }
    return try body()
  }

  /// Copies rank 0's texts, or their absence, to every rank.
  fileprivate func broadcast(_ parts: [[UInt8]]?) throws(CommunicationError) -> [[UInt8]]? {
    let count = try broadcastBytes(parts.map { [UInt8(truncatingIfNeeded: $0.count)] } ?? [], from: TensorStream.leader)
    guard let count = count.first else { return nil }
    var received: [[UInt8]] = []
    for index in 0..<Int(count) {
      received.append(try broadcastBytes(parts?[index] ?? [], from: TensorStream.leader))
    }
    return received
  }
}
