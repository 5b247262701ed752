package import Communication
import Kernels
package import LanguageModel
package import Planning
package import Tensors
import Topology

/// Measures the loss of a text, over windows that do not overlap. All ranks take part and get the same result.
package struct Evaluation {
  private let model: MoETransformer
  private let weights: ParameterBuffer
  private let runtime: ModelRuntime
  private let capacity: CapacityPolicy

  package init(
    _ model: MoETransformer, _ weights: ParameterBuffer, capacity: CapacityPolicy = .dropless, on runtime: ModelRuntime
  ) {
    self.model = model
    self.weights = weights
    self.capacity = capacity
    self.runtime = runtime
  }

  /// Evaluates all sequences of a source.
  ///
  /// - Parameter sequencesAtOnce: over all ranks; it bounds the memory and changes no result but for the order in which
  ///   losses are added.
  package func measure(
    _ source: any SequenceSource, sequencesAtOnce: Int
  ) throws(CommunicationError) -> EvaluationResult {
    let division = BatchDivision(
      sequenceCount: source.sequenceCount, microBatchSequences: sequencesAtOnce, rankCount: runtime.topology.worldSize)
    let memory = MicroBatchMemory(sequenceCount: division.largestBlock, sequenceLength: source.sequenceLength)
    var lossSum = 0.0
    var predictedCount = 0
    for microBatch in 0..<division.microBatchCount {
      let sequences = division.sequences(microBatch: microBatch, rank: runtime.world.rank)
      let (batch, targets) = memory.load(sequences, from: source)
      let sum = try model.crossEntropy(of: batch, targets: targets, capacity: capacity, weights, on: runtime)
      lossSum += sum.lossSum
      predictedCount += sum.predictedCount
    }
    runtime.enter(.evaluate)
    let total = try runtime.world.sum(lossSum)
    let tokens = Int(try runtime.world.sum(Int64(predictedCount)))
    return EvaluationResult(loss: total / Double(max(tokens, 1)), tokens: tokens, bytes: source.byteCount)
  }
}
