import Checkpoints
import Communication
import ExpertParallel
import LanguageModel
import Topology
import Training

/// What a rank needs at least, counted from sizes alone.
struct MemoryNeed {
  let model: ModelConfiguration
  /// Experts of each layer that the rank holds.
  let hostedExpertCount: Int
  /// Ranks that share one set of experts.
  let expertParallelSize: Int

  /// Of the rank that holds the most.
  ///
  /// - Parameter expertParallelSize: ranks that share one set of experts; nil is the default.
  init(_ model: ModelConfiguration, rankCount: Int, expertParallelSize: Int? = nil) {
    let size =
      expertParallelSize
      ?? ParallelTopology.defaultExpertParallelSize(worldSize: rankCount, expertCount: model.expertCount)
    self.init(model, hostedExpertCount: (model.expertCount + size - 1) / size, expertParallelSize: size)
  }

  init(_ model: ModelConfiguration, hostedExpertCount: Int, expertParallelSize: Int) {
    self.model = model
    self.hostedExpertCount = hostedExpertCount
    self.expertParallelSize = expertParallelSize
  }

  /// To compute with a model: its weights in f32.
  func weightBytes() throws(Refusal) -> Int {
    let (replicated, experts) = try parameterCounts()
    return Int(min(4 * (replicated + experts), 0x1p60))
  }

  /// To train it: weights, gradients and two moments, the copy that checkpoints are written from, and what a micro-batch
  /// leaves for its backward pass at least.
  ///
  /// - Parameter rank: rank 0 needs most.
  func trainingBytes(
    _ training: TrainingConfiguration, rankCount: Int, rank: Rank = Rank(0)
  ) throws(Refusal) -> Int {
    let (replicated, experts) = try parameterCounts()
    let saving = CheckpointSaver.byteCount(
      replicatedCount: replicated, expertCount: experts, rank: rank, expertParallelSize: expertParallelSize)
    let perLayer = 6 * Double(model.hiddenSize) + 2 * Double(model.expertsPerToken) * Double(model.intermediateSize)
    let tokens = Double(training.microBatchSequences) * Double(training.sequenceLength) / Double(rankCount)
    let bytes = 16 * (replicated + experts) + saving + 4 * perLayer * Double(model.layerCount) * tokens
    return Int(min(bytes, 0x1p60))
  }

  /// Parameters that the rank holds: those that every rank does, and its experts'.
  private func parameterCounts() throws(Refusal) -> (replicated: Double, experts: Double) {
    guard let count = ParameterCount(model) else {
      throw Refusal(.usage, "the model has more parameters than can be counted: give smaller sizes")
    }
    let hostedShare = Double(hostedExpertCount) / Double(model.expertCount)
    return (Double(count.replicated), Double(count.expertCount) * hostedShare * Double(count.perExpert))
  }
}

extension Worker {
  /// Refuses a run that cannot fit into the hosts' memory, before anything is allocated. Every rank calls it.
  func requireMemory(for model: ModelConfiguration, _ training: TrainingConfiguration, _ runtime: ModelRuntime) throws {
    let need = MemoryNeed(
      model, hostedExpertCount: runtime.experts.hostedSlots.count,
      expertParallelSize: runtime.topology.expertParallelSize)
    try requireMemory(
      bytes: try need.trainingBytes(training, rankCount: world.size, rank: world.rank),
      for: "its share of the model and micro-batches of \(training.microBatchTokens) tokens")
  }
}
