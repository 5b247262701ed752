import Tensors

/// The writing of a checkpoint, on rank 0: complete Hugging Face directories and the training state under the same names.
///
/// Only rank 0 writes, so the ranks need no file system in common, and what is written does not depend on how many there
/// are. See docs/decisions/0015.
struct CheckpointFiles: Sendable {
  let run: RunDirectory
  let step: Int
  let small: SmallFiles
  /// The most bytes of weights in one file, unless a single tensor is larger.
  let largestShard: Int
  /// How many checkpoints stay; nil for all.
  let keeping: Int?

  /// Writes the checkpoint, then removes those that are too many. A complete checkpoint of the same step is left as it is: a run
  /// is deterministic, so it is the same one.
  ///
  /// - Returns: what went wrong after the checkpoint was complete.
  /// - Throws: why it could not be written; the checkpoints of before are untouched.
  func write(_ feed: TensorFeed) throws -> String? {
    defer { feed.abandon() }
    if (try? run.verifyCheckpoint(step: step, withData: true)) == nil { try writeFiles(feed) }
    guard let keeping else { return nil }
    do throws(CheckpointError) {
      try run.removeCheckpoints(before: step, keeping: keeping - 1)
      return nil
    } catch {
      return "an old checkpoint could not be removed: \(error)"
    }
  }

  private func writeFiles(_ feed: TensorFeed) throws {
    let builder = try CheckpointBuilder(in: run, step: step)
    do {
      try builder.add(ModelDirectory.configurationName, ConfigurationWriter.configuration(small.configuration))
      try builder.add(
        ModelDirectory.generationConfigurationName, ConfigurationWriter.generation(small.configuration))
      if let tokenizer = small.tokenizer { try builder.add(ModelDirectory.tokenizerName, tokenizer) }
      try builder.add(TrainingStateNames.state, small.trainerState)
      try writeWeights(builder, feed)
      try writeMoments(builder, feed)
      try feed.requireAgreement()
      try builder.commit()
    } catch {
      builder.abandon()
      throw error
    }
  }

  private func writeWeights(_ builder: CheckpointBuilder, _ feed: TensorFeed) throws {
    let plan = ShardPlan(feed.slots, largestShard: largestShard)
    var next = 0
    for (name, slots) in zip(plan.fileNames, plan.shards) {
      try builder.add(name, tensors: slots.map { TensorDescription($0.name, shape: $0.shape.dimensions) }) { writer in
        for slot in next..<next + slots.count { try feed.append(slot: slot, buffer: 0, to: writer) }
      }
      next += slots.count
    }
    if let index = plan.index { try builder.add(TensorCatalog.indexName, index) }
  }

  private func writeMoments(_ builder: CheckpointBuilder, _ feed: TensorFeed) throws {
    let moments = TrainingStateNames.momentBuffers
    let tensors = moments.flatMap { buffer in
      feed.slots.map { TensorDescription(TrainingStateNames.prefixes[buffer] + $0.name, shape: $0.shape.dimensions) }
    }
    // The prefixes are in order, so the file's order by name is first all of one moment, then all of the other.
    try builder.add(TrainingStateNames.optimizer, tensors: tensors) { writer in
      for buffer in moments {
        for slot in feed.slots.indices { try feed.append(slot: slot, buffer: buffer, to: writer) }
      }
    }
  }
}
