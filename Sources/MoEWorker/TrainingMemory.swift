import Checkpoints
import Communication
import ExpertParallel
import LanguageModel
import Topology
import Training

extension Worker {
  /// Refuses a run that cannot fit into the hosts' memory, before anything is allocated. Every rank calls it.
  ///
  /// Counted are weights, gradients and two moments, the copy that checkpoints are written from, and what a micro-batch
  /// leaves for its backward pass at least.
  func requireMemory(for model: ModelConfiguration, _ training: TrainingConfiguration, _ runtime: ModelRuntime) throws {
    let (replicated, experts) = try parameterCounts(model, runtime)
    let saving = CheckpointSaver.byteCount(
      replicatedCount: replicated, expertCount: experts, rank: world.rank,
      expertParallelSize: runtime.topology.expertParallelSize)
    let perLayer = 6 * Double(model.hiddenSize) + 2 * Double(model.expertsPerToken) * Double(model.intermediateSize)
    let tokens = Double(training.microBatchSequences) * Double(training.sequenceLength) / Double(world.size)
    let bytes = 16 * (replicated + experts) + saving + 4 * perLayer * Double(model.layerCount) * tokens
    try requireMemory(
      bytes: Int(min(bytes, 0x1p60)),
      for: "its share of the model and micro-batches of \(training.microBatchTokens) tokens")
  }

  /// Parameters that this rank holds: those that every rank does, and its experts'.
  private func parameterCounts(
    _ model: ModelConfiguration, _ runtime: ModelRuntime
  ) throws(Refusal) -> (replicated: Double, experts: Double) {
    guard let count = ParameterCount(model) else {
      throw Refusal(.usage, "the model has more parameters than can be counted: give smaller sizes")
    }
    let hostedShare = Double(runtime.experts.hostedExperts.count) / Double(model.expertCount)
    return (Double(count.replicated), Double(count.expertCount) * hostedShare * Double(count.perExpert))
  }
}
