package import Communication
import ExpertParallel
import Kernels
package import LanguageModel
import Planning
import Routing
import Tensors
import Topology

/// One rank's part in the steps of a training run. All ranks go through the same steps at the same time.
///
///     for each micro-batch     forward, add up the routing of all ranks, backward;
///                              the last backward starts to sum each gradient over ranks when it is final
///     complete the sums        every rank has the gradient of the whole batch's loss
///     measure its norm         over all parameters on all ranks; a gradient that is too long is scaled down
///     judge the step           no number ends the run, or is left out, before the optimizer has used it
///     AdamW                    every rank updates the weights that it holds
///
/// The loss is the mean cross-entropy over the predicted tokens of the whole batch, so each micro-batch's gradient is
/// scaled by 1 / that number, and gradients simply add up, over micro-batches and over ranks. The balancing losses are
/// those of a micro-batch over all ranks, averaged over the micro-batches.
package final class TrainingLoop {
  package let configuration: TrainingConfiguration
  package private(set) var state: TrainingState
  package private(set) var health: StepHealth

  package private(set) var model: MoETransformer
  private let runtime: ModelRuntime
  private let data: TrainingData
  private let division: BatchDivision
  private let capacity: CapacityPolicy
  private let memory: MicroBatchMemory
  private var gradients: ParameterBuffer
  private let reduction: GradientReduction
  private var gradientNorm: GradientNorm
  private var replacement: ExpertReplacement?
  private let reports: StepReportExchange

  /// Allocates everything that the steps need.
  ///
  /// - Parameters:
  ///   - replacement: lets experts change ranks; nil leaves them where they are.
  ///   - measuresLinks: every step says what each rank has sent to each.
  /// - Note: every rank of the job must call it: it forms groups of ranks.
  package init(
    _ configuration: TrainingConfiguration, model: MoETransformer, state: TrainingState, data: TrainingData,
    health: StepHealth = StepHealth(), replacement: ReplacementSchedule? = nil, measuresLinks: Bool = false,
    on runtime: ModelRuntime
  ) throws(CommunicationError) {
    let layout = state.weights.layout
    self.configuration = configuration
    self.model = model
    self.state = state
    self.data = data
    self.health = health
    self.runtime = runtime
    division = BatchDivision(
      sequenceCount: configuration.batchSequences, microBatchSequences: configuration.microBatchSequences,
      rankCount: runtime.topology.worldSize)
    capacity = configuration.capacityFactor.map { .limited(factor: $0) } ?? .dropless
    memory = MicroBatchMemory(sequenceCount: division.largestBlock, sequenceLength: configuration.sequenceLength)
    gradients = ParameterBuffer(zeros: layout)
    reduction = try GradientReduction(
      of: gradients, table: Self.sparseTable(model, layout, configuration), world: runtime.world,
      topology: runtime.topology)
    gradientNorm = Self.gradientNorm(model, layout, runtime)
    self.replacement = replacement.map { ExpertReplacement($0, model.configuration, on: runtime) }
    reports = StepReportExchange(rankCount: runtime.topology.worldSize, measuresLinks: measuresLinks)
  }

  /// Does the next step and says what it measured.
  ///
  /// - Throws: `CommunicationError`; or a `Refusal`, on all ranks, when the gradient is no number: the weights are then
  ///   still those before the step.
  package func step() throws -> StepMetrics {
    let start = ContinuousClock.now
    let number = state.completedSteps + 1
    runtime.step = number
    runtime.world.job.beginStep()
    runtime.experts.timings = ExchangeTimings()

    let batch = data.batch(step: state.completedSteps)
    let losses = try accumulateGradients(of: batch)
    var metrics = try measure(losses, of: batch, step: number)
    metrics.notice = try finding(metrics, of: batch)
    if metrics.notice != nil, mayLeaveOut {
      health.skip()
      metrics.isSkipped = true
    } else {
      health.accept(loss: metrics.totalLoss, gradientNorm: metrics.gradientNorm)
      update(number: number, gradientNorm: metrics.gradientNorm, learningRate: metrics.learningRate)
    }

    state.completedSteps = number
    metrics.movedExpertCount = try replaceExperts()
    runtime.world.job.endStep()
    metrics.stepMilliseconds = (ContinuousClock.now - start).milliseconds
    metrics.tokensPerSecond = Double(configuration.batchTokens) / (metrics.stepMilliseconds / 1000)
    return metrics
  }

  // MARK: The gradient

  /// The embedding table, unless the output head is the same table: its gradient has no row without an entry.
  private static func sparseTable(
    _ model: MoETransformer, _ layout: ParameterLayout, _ configuration: TrainingConfiguration
  ) -> GradientReduction.SparseTable? {
    guard !model.configuration.tiesEmbeddings else { return nil }
    return .init(layout.slot(ParameterNames.embedding), mostTokens: configuration.batchTokens)
  }

  /// Leaves the gradient of the batch's total loss in `gradients`: that of the replicated parameters, and of the experts
  /// that this rank hosts, over the tokens of all ranks.
  private func accumulateGradients(of batch: TrainingData.Batch) throws(CommunicationError) -> BatchLosses {
    var losses = BatchLosses()
    for microBatch in 0..<division.microBatchCount {
      let saved = try forward(batch, microBatch: microBatch)
      reduction.touch(saved.tokens)
      replacement?.note(saved.routing)

      try runtime.world.sum(saved.routing.values)
      losses.add(saved.crossEntropy, saved.routing)

      let isLast = microBatch == division.microBatchCount - 1
      try backward(saved, isFirst: microBatch == 0, reducing: isLast)
    }
    runtime.enter(.reduce)
    try reduction.complete { range in
      gradientNorm.take(gradients, in: range, workers: runtime.workers, betweenTensors: reduction.poke)
    }
    return losses
  }

  private func forward(
    _ batch: TrainingData.Batch, microBatch: Int
  ) throws(CommunicationError) -> MoETransformer.Saved {
    let own = division.sequences(microBatch: microBatch, rank: runtime.world.rank)
    let (tokens, targets) = memory.load(batch.sequences[own], from: data.sequences)
    return try model.forward(
      tokens, targets: targets, capacity: capacity, gradientScale: 1 / Float(batch.predictedTokenCount), state.weights,
      gradients: StepGradients(gradients, isAccumulating: microBatch > 0), on: runtime)
  }

  /// A micro-batch's backward pass; beside the last one of a step, gradients are summed over ranks.
  private func backward(
    _ saved: consuming MoETransformer.Saved, isFirst: Bool, reducing: Bool
  ) throws(CommunicationError) {
    let gradients = StepGradients(gradients, isAccumulating: !isFirst)
    let share = 1 / Float(division.microBatchCount)
    let lossGradient = saved.routing.lossGradient(
      balance: share * model.configuration.balanceLossCoefficient, zLoss: share * model.configuration.zLossCoefficient)
    guard reducing else {
      return try model.backward(
        saved, lossGradient: lossGradient, state.weights, gradients: gradients, on: runtime)
    }
    try reduction.begin()
    let outer = runtime.workers.betweenTasks
    runtime.workers.betweenTasks = { [reduction] in
      outer?()
      reduction.poke()
    }
    defer { runtime.workers.betweenTasks = outer }
    try model.backward(
      saved, lossGradient: lossGradient, state.weights, gradients: gradients, on: runtime,
      onGradientsReady: reduction.finish)
  }

  // MARK: Measurements

  private static func gradientNorm(
    _ model: MoETransformer, _ layout: ParameterLayout, _ runtime: ModelRuntime
  ) -> GradientNorm {
    GradientNorm(
      layout: layout, allNames: ModelLayout.whole(model.configuration).slots.map(\.name), topology: runtime.topology,
      rank: runtime.world.rank)
  }

  /// What the step has found out so far, on all ranks together.
  private func measure(
    _ losses: BatchLosses, of batch: TrainingData.Batch, step: Int
  ) throws(CommunicationError) -> StepMetrics {
    var metrics = StepMetrics(step: step)
    metrics.learningRate = configuration.learningRateSchedule.rate(step: step - 1)
    metrics.gradientNorm = try gradientNorm.finish(over: runtime.world)
    losses.record(in: &metrics, microBatchCount: division.microBatchCount)

    let timings = runtime.experts.timings
    let job = try reports.combine(
      StepReport(
        lossSum: losses.lossSum, expertMilliseconds: timings.total.milliseconds,
        exchangeMilliseconds: timings.exchange.milliseconds,
        exposedExchangeMilliseconds: timings.exposed.milliseconds, activationBytes: runtime.workspace.peakByteCount,
        sentByteCounts: reports.measuresLinks ? runtime.world.job.sentByteCounts : []),
      over: runtime.world)
    metrics.loss = job.lossSum / Double(batch.predictedTokenCount)
    metrics.totalLoss =
      metrics.loss + Double(model.configuration.balanceLossCoefficient) * metrics.balanceLoss
      + Double(model.configuration.zLossCoefficient) * metrics.zLoss
    metrics.expertMilliseconds = job.expertMilliseconds
    metrics.exchangeMilliseconds = job.exchangeMilliseconds
    metrics.exposedExchangeMilliseconds = job.exposedExchangeMilliseconds
    metrics.activationBytes = job.activationBytes
    metrics.linkByteCounts = job.sentByteCounts
    return metrics
  }

  // MARK: Steps that stand out

  /// What is wrong with a step, in words; nil if nothing is. All ranks have the same numbers, so they find the same.
  ///
  /// - Throws: a refusal, if there is no number, and the step may not be left out.
  private func finding(_ metrics: StepMetrics, of batch: TrainingData.Batch) throws -> String? {
    switch health.judge(loss: metrics.totalLoss, gradientNorm: metrics.gradientNorm) {
    case .sound: return nil
    case .spike(let excess): return "step \(metrics.step) has \(excess) the steps before it"
    case .noNumber:
      let finding = "step \(metrics.step) has no numbers any more from \(try firstFault(of: batch)) on"
      guard mayLeaveOut else {
        throw TrainingError(
          .diverged,
          "\(finding): go on from the last checkpoint with a smaller --learning-rate, or with --skip-bad-steps"
        ).refusal
      }
      return finding
    }
  }

  private var mayLeaveOut: Bool { health.skippedInARow < configuration.mostSkippedSteps ?? 0 }

  /// Where the numbers of a step end. Its forward passes are done once more, which gives the same bits.
  private func firstFault(of batch: TrainingData.Batch) throws -> String {
    let ofGradients = try NumberFault.first(of: model.firstFault(inGradients: gradients), over: runtime.world)
    for microBatch in 0..<division.microBatchCount {
      let saved = try forward(batch, microBatch: microBatch)
      let own = model.firstFault(in: saved, on: runtime)
      model.discard(saved, on: runtime)
      if let found = try NumberFault.first(of: own, over: runtime.world) { return found }
    }
    return ofGradients ?? "the sum of its losses"
  }

  // MARK: The update

  private func update(number: Int, gradientNorm: Double, learningRate: Double) {
    runtime.enter(.optimize)
    state.optimizer.update(
      state.weights, gradients: gradients, number: number, learningRate: learningRate,
      gradientScale: GradientNorm.clippingScale(norm: gradientNorm, limit: configuration.gradientClip),
      workers: runtime.workers)
  }

  /// Lets experts change ranks, and finds everything in its new place.
  private func replaceExperts() throws(CommunicationError) -> Int {
    guard let (layout, moveCount) = try replacement?.run(afterStep: state.completedSteps, state) else { return 0 }
    model = model.relaid(layout)
    state = state.relaid(layout)
    gradients = ParameterBuffer(gradients, relaid: layout)
    gradientNorm = Self.gradientNorm(model, layout, runtime)
    return moveCount
  }
}
