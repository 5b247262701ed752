package import Communication
package import LanguageModel
package import Tensors
import Topology

/// What a checkpoint holds, as each rank has its part of it.
package struct CheckpointContents {
  package var configuration: ModelConfiguration
  package var weights: ParameterBuffer
  /// The optimizer's moments, of the same layout as the weights.
  package var firstMoment: ParameterBuffer
  package var secondMoment: ParameterBuffer
  /// JSON that says how to go on: step, seed, place in the data, schedule. Only rank 0's is written.
  package var trainerState: [UInt8]
  /// The content of `tokenizer.json`, if the model has one. Only rank 0's is written.
  package var tokenizer: [UInt8]?

  package init(
    configuration: ModelConfiguration, weights: ParameterBuffer, firstMoment: ParameterBuffer,
    secondMoment: ParameterBuffer, trainerState: [UInt8], tokenizer: [UInt8]?
  ) {
    self.configuration = configuration
    self.weights = weights
    self.firstMoment = firstMoment
    self.secondMoment = secondMoment
    self.trainerState = trainerState
    self.tokenizer = tokenizer
  }
}

/// Saves `checkpoint-STEP` folders: complete Hugging Face directories and the training state under the same names.
///
/// Rank 0 writes, the others stream their experts to it; a replica that another rank holds too stays silent. So the
/// ranks need no file system in common, and what is written does not depend on how many there are.
package final class CheckpointWriter {
  private let run: RunDirectory
  private let communicator: any Communicator
  private let largestShard: Int

  /// - Parameter largestShard: the most bytes of weights in one file, unless a single tensor is larger.
  package init(
    _ run: RunDirectory, communicator: any Communicator, largestShard: Int = 5_000_000_000
  ) {
    self.run = run
    self.communicator = communicator
    self.largestShard = largestShard
  }

  /// Saves a checkpoint and returns its path, on all ranks or on none. Every rank calls it.
  ///
  /// A complete checkpoint of the same step is left as it is: a run is deterministic, so it is the same one.
  /// - Throws: why rank 0 could not write it. The checkpoints of before are untouched, and training can go on.
  @discardableResult
  package func save(step: Int, _ contents: CheckpointContents) throws(Refusal) -> String {
    let slots = TrainingStateNames.slots(of: contents.configuration)
    let buffers = [contents.weights, contents.firstMoment, contents.secondMoment]
    try communicator.performing(Activity(.save, step: step)) { () throws(Refusal) in
      try communicator.agree {
        let holders = try TensorHolders.gather(contents.weights.layout, takesPart: true, over: communicator)
        if let holders {
          try lead(step, contents, TensorCollector(communicator, holders, slots: slots, buffers: buffers))
        } else {
          try TensorStreamFollower(communicator, tensors: slots.map(\.name), buffers: buffers).follow()
        }
      }
    }
    return run.checkpointPath(step: step)
  }

  /// Rank 0: writes, and lets the others go whatever happened.
  private func lead(_ step: Int, _ contents: CheckpointContents, _ collector: TensorCollector) throws {
    let outcome = Result { try write(step, contents, collector) }
    if case .failure(let error) = outcome, error is CommunicationError { throw error }
    try collector.leader.end()
    try outcome.get()
  }

  private func write(_ step: Int, _ contents: CheckpointContents, _ collector: TensorCollector) throws {
    if (try? run.verifyCheckpoint(step: step)) != nil { return }
    let builder = try CheckpointBuilder(in: run, step: step)
    do {
      try builder.add(ModelDirectory.configurationName, ConfigurationWriter.configuration(contents.configuration))
      try builder.add(
        ModelDirectory.generationConfigurationName, ConfigurationWriter.generation(contents.configuration))
      if let tokenizer = contents.tokenizer { try builder.add(ModelDirectory.tokenizerName, tokenizer) }
      try builder.add(TrainingStateNames.state, contents.trainerState)
      try writeWeights(builder, collector)
      try writeMoments(builder, collector)
      try builder.commit()
    } catch {
      builder.abandon()
      throw error
    }
  }

  private func writeWeights(_ builder: CheckpointBuilder, _ collector: TensorCollector) throws {
    let plan = ShardPlan(collector.slots, largestShard: largestShard)
    for (name, slots) in zip(plan.fileNames, plan.shards) {
      try builder.add(name, tensors: slots.map { TensorDescription($0.name, shape: $0.shape.dimensions) }) { writer in
        for slot in slots { try collector.append(slot, buffer: 0, to: writer) }
      }
    }
    if let index = plan.index { try builder.add(TensorCatalog.indexName, index) }
  }

  private func writeMoments(_ builder: CheckpointBuilder, _ collector: TensorCollector) throws {
    let moments = TrainingStateNames.momentBuffers
    let tensors = moments.flatMap { buffer in
      collector.slots.map {
        TensorDescription(TrainingStateNames.prefixes[buffer] + $0.name, shape: $0.shape.dimensions)
      }
    }
    // The prefixes are in order, so the file's order by name is first all of one moment, then all of the other.
    try builder.add(TrainingStateNames.optimizer, tensors: tensors) { writer in
      for buffer in moments {
        for slot in collector.slots { try collector.append(slot, buffer: buffer, to: writer) }
      }
    }
  }
}

/// Rank 0's view of all tensors while it writes: its own from memory, the others' from their ranks.
private struct TensorCollector {
  let leader: TensorStreamLeader
  let slots: [ParameterSlot]
  private let holders: TensorHolders
  private let buffers: [ParameterBuffer]
  private let numbers: [String: Int]

  init(
    _ communicator: any Communicator, _ holders: TensorHolders, slots: [ParameterSlot], buffers: [ParameterBuffer]
  ) {
    leader = TensorStreamLeader(communicator)
    self.slots = slots
    self.holders = holders
    self.buffers = buffers
    numbers = Dictionary(uniqueKeysWithValues: slots.enumerated().map { ($0.element.name, $0.offset) })
  }

  func append(_ slot: ParameterSlot, buffer: Int, to writer: SafetensorsWriter) throws {
    guard let holder = holders.ranks(holding: slot.name).first, let number = numbers[slot.name] else {
      preconditionFailure("no rank holds \(slot.name)")
    }
    for piece in TensorStream.pieces(buffer: buffer, tensor: number, elementCount: slot.shape.elementCount) {
      if holder == TensorStream.leader {
        try writer.append(buffers[buffer][slot.name].buffer[piece.elements])
        try leader.giveSignOfLife()
      } else {
        try writer.append(try leader.fetch(piece, from: holder))
      }
    }
  }
}
