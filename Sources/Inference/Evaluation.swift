package import Communication
package import Kernels
package import LanguageModel
package import Planning
package import Tensors
import Topology

/// The cross-entropy of many sequences, computed by all ranks.
package struct Evaluation {
  package let model: MoETransformer
  package let parameters: ParameterBuffer
  package let runtime: ModelRuntime
  package let capacity: CapacityPolicy

  /// Tokens of a rank in one round, about.
  private static let roundTokenCount = 2048

  package init(
    model: MoETransformer, parameters: ParameterBuffer, runtime: ModelRuntime, capacity: CapacityPolicy = .dropless
  ) {
    self.model = model
    self.parameters = parameters
    self.runtime = runtime
    self.capacity = capacity
  }

  /// The sum over all sequences, the same on every rank: each rank adds up its own, then the ranks' sums are added in order
  /// of rank, all in double precision.
  ///
  /// - Parameter load: writes the tokens and targets (−1: not predicted) of some sequences; called on the rank that computes
  ///   them. [n·S] each
  package func crossEntropy(
    sequenceCount: Int, sequenceLength: Int,
    load: (_ sequences: Range<Int>, _ tokens: Buffer<Int32>, _ targets: Buffer<Int32>) -> Void
  ) throws(CommunicationError) -> CrossEntropySum {
    let own = BlockPartition(count: sequenceCount, parts: runtime.world.size).range(of: runtime.world.rank.index)
    let perRound = sequencesPerRound(sequenceLength)
    let largest = (sequenceCount + runtime.world.size - 1) / runtime.world.size
    var lossSum = 0.0
    var predictedCount = 0
    for start in stride(from: 0, to: largest, by: perRound) {
      let first = min(own.lowerBound + start, own.upperBound)
      let sum = try round(
        first..<min(first + perRound, own.upperBound), sequenceLength: sequenceLength, load: load)
      lossSum += sum.lossSum
      predictedCount += sum.predictedCount
    }
    runtime.enter(.evaluate)
    return CrossEntropySum(
      lossSum: try runtime.world.sum(lossSum), predictedCount: try Int(runtime.world.sum(Int64(predictedCount))))
  }

  private func sequencesPerRound(_ length: Int) -> Int { max(1, Self.roundTokenCount / max(length, 1)) }

  private func round(
    _ sequences: Range<Int>, sequenceLength: Int,
    load: (_ sequences: Range<Int>, _ tokens: Buffer<Int32>, _ targets: Buffer<Int32>) -> Void
  ) throws(CommunicationError) -> CrossEntropySum {
    let workspace = runtime.workspace
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let tokens = workspace.buffer(of: Int32.self, count: sequences.count * sequenceLength)
    let targets = workspace.buffer(of: Int32.self, count: sequences.count * sequenceLength)
    if !sequences.isEmpty { load(sequences, tokens, targets) }
    let batch = TokenBatch(
      tokens: tokens, sequenceCount: sequences.count, sequenceLength: sequenceLength,
      tokenLimit: sequencesPerRound(sequenceLength) * sequenceLength)
    return try model.crossEntropy(of: batch, targets: targets, capacity: capacity, parameters, on: runtime)
  }
}
