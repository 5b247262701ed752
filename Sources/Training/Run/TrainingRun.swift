import Checkpoints
import Communication
import ExpertParallel
import Kernels
package import LanguageModel
package import Tensors
import Tokenization
import Topology

/// A training run from its first step, or its newest checkpoint, to its end: steps, and between them the held-out loss,
/// the metrics and the checkpoints.
///
///     let plan = try TrainingPlan(request, over: world)          decide; nothing is allocated
///     let run = try TrainingRun(plan, on: runtime)               allocate and load
///     try run.train(observer: progress)
package final class TrainingRun {
  package let plan: TrainingPlan
  private let loop: TrainingLoop
  private let runtime: ModelRuntime
  private let checkpoints: CheckpointSaver
  private let replicas: ReplicaCheck
  /// On rank 0.
  private let metricsFile: MetricsFile?

  /// Takes the memory, and fills it with the weights that the plan begins with. Every rank calls it.
  ///
  /// - Parameter replacement: lets experts change ranks; nil leaves them where they are.
  /// - Throws: a `Refusal`, on all ranks alike; or `CommunicationError`.
  package init(_ plan: TrainingPlan, replacement: ReplacementSchedule? = nil, on runtime: ModelRuntime) throws {
    self.runtime = runtime
    let layout = ModelLayout.make(plan.model, hostedExperts: runtime.experts.hostedSlots)
    let (plan, state) = try plan.loadingState(layout: layout, on: runtime)
    self.plan = plan
    let model = MoETransformer(plan.model, layout: layout, positionCount: plan.configuration.sequenceLength)
    loop = try TrainingLoop(
      plan.configuration, model: model, state: state, data: plan.data,
      health: plan.origin.trainerState?.health ?? StepHealth(), replacement: replacement,
      measuresLinks: plan.request.measuresLinks, on: runtime)
    replicas = ReplicaCheck(world: runtime.world, topology: runtime.topology)
    checkpoints = try CheckpointSaver(
      RunDirectory(plan.request.output, files: plan.request.files), of: plan.model, layout: layout,
      keeping: plan.request.keptCheckpoints, communicator: runtime.world)
    metricsFile = try runtime.world.agree {
      guard runtime.world.rank == Rank(0) else { return nil }
      let path = plan.request.metricsPath
      return plan.request.resumes
        ? try MetricsFile.resume(path, afterStep: plan.completedSteps) : try MetricsFile.create(path)
    }
  }

  package var configuration: TrainingConfiguration { plan.configuration }
  package var completedSteps: Int { loop.state.completedSteps }
  /// This rank's part of the weights as they are now.
  package var weights: ParameterBuffer { loop.state.weights }

  /// Goes on until the schedule, or `stopAfter`, ends, or until a rank is asked to stop. Every rank calls it.
  ///
  /// A checkpoint that cannot be saved is a warning, except for the last one.
  ///
  /// - Parameter isStopWanted: whether somebody has asked this rank to stop. The job then ends with the refusal `stopped`
  ///   after the step that it is in, and a checkpoint.
  /// - Throws: a `Refusal` if all ranks agree that it is impossible to go on; any other error is this rank's alone.
  package func train(
    observer: (any TrainingObserver)? = nil, isStopWanted: () -> Bool = { false }
  ) throws {
    defer { plan.lock?.release() }
    let outer = runtime.workers.betweenTasks
    runtime.workers.betweenTasks = { [checkpoints] in checkpoints.poke() }
    defer { runtime.workers.betweenTasks = outer }
    do {
      while completedSteps < configuration.lastStep {
        if try isStopAgreed(isStopWanted()) { throw try stop(observer) }
        try step(observer)
      }
    } catch let refusal as Refusal {
      // All ranks are here: what was saved before the step that failed is worth keeping.
      try report(try checkpoints.finish(), to: observer)
      throw refusal
    }
    let last = try checkpoints.finish()
    try report(last, to: observer)
    if let refusal = last?.refusal { throw refusal }
  }

  private func step(_ observer: (any TrainingObserver)?) throws {
    var metrics = try loop.step()
    if metrics.movedExpertCount > 0 { try report(try checkpoints.move(to: weights.layout), to: observer) }
    if configuration.evaluatesAfter(step: metrics.step) { metrics.heldOutLoss = try heldOutLoss() }
    record(metrics, observer)
    observer?.finished(metrics)
    if let notice = metrics.notice { observer?.warned(notice + (metrics.isSkipped ? ": it is left out" : "")) }
    try checkReplicas(isSaving: configuration.savesAfter(step: metrics.step))
    try report(try checkpoints.takeReport(), to: observer)
    guard configuration.savesAfter(step: metrics.step) else { return }
    try report(try checkpoints.start(step: metrics.step, try contents()), to: observer)
  }

  /// Measurements that cannot be written are no reason to lose the work.
  private func record(_ metrics: StepMetrics, _ observer: (any TrainingObserver)?) {
    do throws(TrainingError) {
      try metricsFile?.append(metrics)
    } catch {
      observer?.warned("\(error.message); step \(metrics.step) is missing there, and training goes on")
    }
  }

  private func report(_ report: SaveReport?, to observer: (any TrainingObserver)?) throws {
    guard let report else { return }
    if let warning = report.warning { observer?.warned("\(report.path): \(warning)") }
    if let refusal = report.refusal {
      observer?.notSaved(step: report.step, because: refusal.message)
    } else {
      observer?.saved(checkpoint: report.path, step: report.step)
    }
  }

  /// Whether any rank is asked to stop: signals reach them at different moments, and all must stop after the same step.
  private func isStopAgreed(_ isWanted: Bool) throws(CommunicationError) -> Bool {
    try runtime.world.allGather(isWanted ? UInt8(1) : 0).contains(1)
  }

  /// Saves what no checkpoint has yet.
  private func stop(_ observer: (any TrainingObserver)?) throws -> Refusal {
    let isSaved = completedSteps == plan.completedSteps || configuration.savesAfter(step: completedSteps)
    if !isSaved {
      try checkReplicas(isSaving: true)
      try report(try checkpoints.start(step: completedSteps, try contents()), to: observer)
    }
    let last = try checkpoints.finish()
    try report(last, to: observer)
    return last?.refusal
      ?? Refusal(
        .stopped, "stopped on request after step \(completedSteps) of \(configuration.lastStep); go on with --resume")
  }

  private func checkReplicas(isSaving: Bool) throws {
    guard plan.request.checksReplicas(after: completedSteps, saving: isSaving) else { return }
    try replicas.run(loop.state, afterStep: completedSteps)
  }

  private func heldOutLoss() throws(CommunicationError) -> Double? {
    guard let heldOut = plan.heldOut else { return nil }
    return try Evaluation(loop.model, loop.state.weights, on: runtime)
      .measure(heldOut, sequencesAtOnce: configuration.microBatchSequences).loss
  }

  private func contents() throws -> CheckpointContents {
    let state = loop.state
    let trainerState = TrainerState(
      step: state.completedSteps, configuration: plan.configuration, text: plan.text, health: loop.health)
    return CheckpointContents(
      configuration: plan.model, weights: state.weights, firstMoment: state.optimizer.firstMoment,
      secondMoment: state.optimizer.secondMoment, trainerState: try trainerState.json(),
      tokenizer: plan.tokenizer?.jsonData())
  }
}
