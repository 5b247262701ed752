import Communication
import ExpertParallel
import LanguageModel
import Training

extension Worker {
  /// Refuses a run that cannot fit into the hosts' memory, before anything is allocated. Every rank calls it.
  ///
  /// Counted are weights, gradients and two moments, and what a micro-batch leaves for its backward pass at least.
  func requireMemory(for model: ModelConfiguration, _ training: TrainingConfiguration, _ runtime: ModelRuntime) throws {
    let parameters = try parameterCount(model, runtime)
    let perLayer = 6 * Double(model.hiddenSize) + 2 * Double(model.expertsPerToken) * Double(model.intermediateSize)
    let tokens = Double(training.microBatchSequences) * Double(training.sequenceLength) / Double(world.size)
    let bytes = 16 * parameters + 4 * perLayer * Double(model.layerCount) * tokens
    try requireMemory(
      bytes: Int(min(bytes, 0x1p60)),
      for: "its share of the model and micro-batches of \(training.microBatchTokens) tokens")
  }

  /// Parameters that this rank holds.
  private func parameterCount(_ model: ModelConfiguration, _ runtime: ModelRuntime) throws(Refusal) -> Double {
    guard let count = ParameterCount(model) else {
      throw Refusal(.usage, "the model has more parameters than can be counted: give smaller sizes")
    }
    let hostedShare = Double(runtime.experts.hostedSlots.count) / Double(model.expertCount)
    return Double(count.replicated) + Double(count.expertCount) * hostedShare * Double(count.perExpert)
  }
}
