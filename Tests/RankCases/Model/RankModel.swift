package import Communication
import ExpertParallel
package import Inference
import Kernels
package import LanguageModel
package import Planning
import Routing
package import Tensors
import Topology

/// A model spread over the ranks of a communicator, with what a test does to it.
package final class RankModel {
  package let configuration: ModelConfiguration
  package let runtime: ModelRuntime
  package let model: MoETransformer
  package let parameters: ParameterBuffer
  package let gradients: ParameterBuffer
  private let replicas: any Communicator

  package init(
    _ configuration: ModelConfiguration, over world: any Communicator, expertParallelSize: Int? = nil,
    threads: Int = 1, load: (ParameterBuffer) throws -> Void
  ) throws {
    let topology = ParallelTopology(
      worldSize: world.size,
      expertParallelSize: expertParallelSize
        ?? ParallelTopology.defaultExpertParallelSize(worldSize: world.size, expertCount: configuration.expertCount))
    let workers = WorkerPool(threadCount: threads)
    let workspace = Workspace()
    let group = try world.split(color: topology.expertParallelGroup(of: world.rank))
    replicas = try world.split(color: topology.dataParallelGroup(of: world.rank))
    let experts = ExpertRuntime(
      group: group, expertCount: configuration.expertCount, workers: workers, workspace: workspace,
      options: ExchangeOptions(chunkRows: 5))
    let layout = ModelLayout.make(configuration, hostedExperts: experts.hostedSlots)
    self.configuration = configuration
    runtime = ModelRuntime(
      workers: workers, workspace: workspace, world: world, topology: topology, experts: experts)
    model = MoETransformer(configuration, layout: layout, positionCount: configuration.maximumPositions)
    parameters = ParameterBuffer(zeros: layout)
    gradients = ParameterBuffer(zeros: layout)
    try load(parameters)
  }

  /// This rank's block of sequences. [b·S]
  private func own(_ sequences: [[Int32]]) -> TokenBatch {
    let partition = BlockPartition(count: sequences.count, parts: runtime.world.size)
    let length = sequences.first?.count ?? 0
    let largest = (0..<partition.parts).map { partition.size(of: $0) }.max() ?? 0
    let range = partition.range(of: runtime.world.rank.index)
    return TokenBatch(
      tokens: Buffer(sequences[range].flatMap(\.self)), sequenceCount: range.count, sequenceLength: length,
      tokenLimit: largest * length)
  }

  /// The logits of all sequences, on rank 0. [B·S·V]
  package func logits(_ sequences: [[Int32]], capacity: CapacityPolicy = .dropless) throws -> [Float] {
    var logits: [Float] = []
    let length = sequences.first?.count ?? 0
    let batch = TokenBatch(
      tokens: Buffer(sequences.flatMap(\.self)), sequenceCount: sequences.count, sequenceLength: length,
      tokenLimit: sequences.count * length)
    try BatchLogits(model: model, parameters: parameters, runtime: runtime, capacity: capacity).compute(batch) {
      logits += $0.elements
    }
    return logits
  }

  /// The mean cross-entropy over all ranks, by a forward pass alone.
  package func crossEntropy(_ sequences: [[Int32]], targets: [[Int32]]) throws -> Double {
    let sum = try model.crossEntropy(of: own(sequences), targets: own(targets).tokens, parameters, on: runtime)
    return try runtime.world.sum(sum.lossSum) / Double(runtime.world.sum(Int64(sum.predictedCount)))
  }

  /// The losses of a micro-batch, over all ranks.
  package struct Losses: Sendable {
    package var crossEntropy: Double
    package var balance: Double
    package var z: Double
    package var droppedFraction: Double
  }

  /// One forward and backward pass over sequences; the gradients, summed over ranks, replace those before.
  @discardableResult
  package func train(
    _ sequences: [[Int32]], targets: [[Int32]], balance: Float, zLoss: Float = 0,
    capacity: CapacityPolicy = .dropless, onGradientsReady: (Range<Int>) -> Void = { _ in }
  ) throws -> Losses {
    spoilGradients()
    let losses = try pass(
      sequences, targets: targets, balance: balance, zLoss: zLoss, capacity: capacity,
      onGradientsReady: onGradientsReady)
    try reduceGradients()
    return losses
  }

  /// Makes every gradient something that no step may leave: the first micro-batch must write all of them.
  package func spoilGradients() {
    for slot in gradients.layout.slots { gradients[slot].fill(.nan) }
  }

  /// One forward and backward pass over sequences, which writes this rank's gradients or adds to them.
  @discardableResult
  package func pass(
    _ sequences: [[Int32]], targets: [[Int32]], balance: Float, zLoss: Float = 0, capacity: CapacityPolicy,
    predictedCount: Int? = nil, isAccumulating: Bool = false, onGradientsReady: (Range<Int>) -> Void = { _ in }
  ) throws -> Losses {
    try pass(
      own(sequences), targets: own(targets).tokens, balance: balance, zLoss: zLoss, capacity: capacity,
      predictedCount: predictedCount ?? targets.joined().count { $0 >= 0 }, isAccumulating: isAccumulating,
      onGradientsReady: onGradientsReady)
  }

  private func pass(
    _ batch: TokenBatch, targets: Buffer<Int32>, balance: Float, zLoss: Float, capacity: CapacityPolicy,
    predictedCount: Int, isAccumulating: Bool, onGradientsReady: (Range<Int>) -> Void
  ) throws -> Losses {
    let gradients = StepGradients(gradients, isAccumulating: isAccumulating)
    let saved = try model.forward(
      batch, targets: targets, capacity: capacity, gradientScale: 1 / Float(predictedCount), parameters,
      gradients: gradients, on: runtime)
    let lossSum = try runtime.world.sum(saved.crossEntropy.lossSum)
    let routing = saved.routing
    try runtime.world.sum(routing.values)
    let losses = Losses(
      crossEntropy: lossSum / Double(predictedCount), balance: routing.loadBalancingLoss, z: routing.routerZLoss,
      droppedFraction: routing.droppedFraction)
    try model.backward(
      saved, lossGradient: routing.lossGradient(balance: balance, zLoss: zLoss), parameters,
      gradients: gradients,
      on: runtime
    ) { range throws(CommunicationError) in onGradientsReady(range) }
    return losses
  }

  /// Sums replicated gradients over all ranks and experts' over those that host the same ones.
  package func reduceGradients() throws {
    try runtime.world.sum(gradients.values[0..<gradients.layout.replicatedCount])
    try replicas.sum(gradients.values[gradients.layout.replicatedCount..<gradients.layout.count])
  }

  /// A step over the same sequences that needs no memory of its own.
  package func steadyStep(_ sequences: [[Int32]], targets: [[Int32]]) throws -> () throws -> Void {
    let (batch, targets) = (own(sequences), own(targets).tokens)
    return { [self] in
      _ = try pass(
        batch, targets: targets, balance: 0.1, zLoss: 0.1, capacity: .dropless, predictedCount: 1,
        isAccumulating: false, onGradientsReady: { _ in })
      try reduceGradients()
    }
  }

  package func generate(_ prompt: [Int32], count: Int, sampling: Sampling = Sampling()) throws -> [Int32] {
    let request = GenerationRequest(prompt: prompt, maximumNewTokens: count, sampling: sampling)
    return try Generator(model: model, parameters: parameters, runtime: runtime).generate(request)
  }
}
