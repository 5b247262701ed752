import ArgumentParser
import Communication
import ExpertParallel
import FlightRecorder
import Foundation
import Kernels
import LanguageModel
import Logging
import Monitoring
import Supervision
import Topology
import Training

/// `train`: a model from text.
struct Train: WorkerCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains a model on text and writes it as a Hugging Face directory.",
    discussion: """
      A new model takes its shape from --preset, or its shape and weights from --init-from. Without a tokenizer in the \
      output or in --init-from, one is trained on the text first. What is measured goes to OUTPUT/metrics.jsonl, \
      checkpoints to OUTPUT/checkpoint-STEP. Token counts are over all ranks.
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Text files, folders that are searched for text, or a safetensors file with 'input_ids' [sequences, length].",
      valueName: "path"))
  var corpus: [String]

  @Option(help: ArgumentHelp("Where the model, its checkpoints and metrics go.", valueName: "dir"))
  var output: String

  @Option(help: "The shape of a new model: tiny, small or base. (default: tiny)")
  var preset: ModelConfiguration.Preset?

  @Option(help: ArgumentHelp("Start with this model's weights and tokenizer.", valueName: "model-dir"))
  var initFrom: String?

  @Flag(help: "Go on from the newest complete checkpoint in the output.")
  var resume = false

  @Option(help: ArgumentHelp("Where metrics go. (default: OUTPUT/metrics.jsonl)", valueName: "file"))
  var metrics: String?

  @OptionGroup(title: "The model") var model: ModelShapeOptions
  @OptionGroup(title: "The run") var schedule: ScheduleOptions
  @OptionGroup(title: "The optimizer") var optimizer: OptimizerOptions
  @OptionGroup(title: "The experts") var experts: ExpertOptions
  @OptionGroup(title: "The experts") var topology: TopologyFlags
  @OptionGroup(title: "The machine") var parallel: ParallelOptions
  @OptionGroup(title: "The machine") var run: RunOptions
  @OptionGroup(title: "The machine") var monitoring: MonitoringOptions
  @OptionGroup(title: "The exchange") var exchange: ExchangeFlags
  @OptionGroup(title: "The exchange") var calibration: CalibrationOptions

  @Option(
    help: ArgumentHelp(
      "Write what every rank computes and sends as a trace for Perfetto; of a few steps, see --stop-after.",
      valueName: "file"))
  var trace: String?

  @Option(
    help: ArgumentHelp(
      "Steps after which experts may change ranks, if the load has shifted; 0 for never. (default: 100)",
      valueName: "k"),
    transform: Parse.notNegative)
  var replaceEvery: Int?

  /// Often enough to follow a load that drifts, seldom enough that moving parameters and moments is paid for.
  private static let stepsBetweenReplacements = 100

  func validate() throws {
    if topology.topologyGate != nil, let replaceEvery, replaceEvery > 0 {
      throw ValidationError("--topology-gate and --replace-every contradict each other: the gate routes by place")
    }
  }

  func run(on worker: Worker) throws {
    try parallel.check(rankCount: worker.world.size)
    run.setLimits(worker)
    let server = try monitoring.takePort(worker)
    defer { server?.stop() }
    let plan = try TrainingPlan(request, over: worker.world)
    let runtime = try run.makeRuntime(
      worker, expertCount: plan.model.expertCount, expertParallelSize: parallel.expertParallel)
    try worker.requireMemory(for: plan.model, plan.configuration, runtime)
    let advice = try ExchangeAdvice(
      exchange, calibration, for: plan.model, tokenCount: plan.configuration.microBatchTokens, runtime, worker)
    runtime.topologyGate = topology.gate(
      runtime.experts, expertsPerToken: plan.model.expertsPerToken, advice.machine, worker)
    let traceFile = try trace.map { try TraceFile($0, worker) }
    runtime.experts.trace = traceFile?.recorder
    try worker.watch.keepRecords(in: output, over: worker.world)
    worker.watch.recorder.plan(lastStep: plan.configuration.lastStep)
    try beginLog(of: plan, worker)
    let training = try TrainingRun(plan, replacement: replacement(advice), on: runtime)
    for notice in training.plan.notices { worker.warn(notice) }
    if preset != nil && initFrom != nil { worker.warn("--preset is not used: --init-from brings its own sizes") }
    try worker.console.write(summary(of: training.plan, runtime) + "\n" + advice.description)
    if let server { try worker.console.write("metrics      http://127.0.0.1:\(server.port)/metrics") }
    StopSignals.listen()
    let observers = observers(of: training.plan, server, worker)
    do {
      try training.train(observer: TrainingObservers(observers), isStopWanted: { StopSignals.isStopWanted })
    } catch let refusal as Refusal where refusal.kind == .diverged {
      throw Refusal(.diverged, "\(refusal.message); the same step comes again with: \(repetition(worker))")
    }
    try traceFile?.write()
  }

  /// The command that goes on from the newest checkpoint: with as many ranks, to the same bits.
  private func repetition(_ worker: Worker) -> LaunchCommand {
    let program = CommandLine.arguments.first ?? "moe-worker"
    var command = LaunchCommand(["mpirun", "-np", "\(worker.world.size)", program] + worker.arguments)
    command.resume()
    return command
  }

  private func observers(
    of plan: TrainingPlan, _ server: MetricsServer?, _ worker: Worker
  ) -> [any TrainingObserver] {
    let usual: [any TrainingObserver] = [
      ProgressDisplay(worker.console, lastStep: plan.configuration.lastStep), RunLogObserver(worker.log),
    ]
    guard let server else { return usual }
    let page = MetricsPage(
      MetricsPage.Plan(
        rankCount: worker.world.size, completedSteps: plan.completedSteps, lastStep: plan.configuration.lastStep,
        expertLayers: (0..<plan.model.layerCount).filter(plan.model.hasExperts)))
    server.start { page.text() }
    return usual + [page]
  }

  private func beginLog(of plan: TrainingPlan, _ worker: Worker) throws(CommunicationError) {
    let problems = try worker.log.open(in: output, over: worker.world)
    if let first = problems.first {
      worker.warn(first + (problems.count > 1 ? " (and \(problems.count - 1) more)" : ""))
    }
    worker.log.logger.info(
      "training begins",
      metadata: [
        "ranks": .stringConvertible(worker.world.size),
        "process": .stringConvertible(Int(ProcessInfo.processInfo.processIdentifier)),
        "completed_steps": .stringConvertible(plan.completedSteps),
        "last_step": .stringConvertible(plan.configuration.lastStep), "resumed": .stringConvertible(resume),
        "output": .string(output),
      ])
  }

  /// A topology gate routes by where experts live: they stay there.
  private func replacement(_ advice: ExchangeAdvice) -> ReplacementSchedule? {
    guard topology.topologyGate == nil else { return nil }
    return advice.replacement(everySteps: replaceEvery ?? Self.stepsBetweenReplacements)
  }

  var request: TrainingRequest {
    var request = TrainingRequest(corpus: corpus, output: output)
    request.resumes = resume
    request.initializeFrom = initFrom
    request.preset = preset
    request.metrics = metrics
    request.keptCheckpoints = schedule.keep
    if let interval = schedule.checkReplicasEvery { request.replicaCheckInterval = interval == 0 ? nil : interval }
    request.measuresLinks = monitoring.metricsPort != nil
    request.vocabularySize = model.vocabularySize
    request.experts = model.experts
    request.expertsPerToken = model.expertsPerToken
    request.balanceLoss = experts.balanceLoss
    request.zLoss = experts.zLoss
    request.options = options
    return request
  }

  private var options: TrainingOptions {
    var options = TrainingOptions()
    options.steps = schedule.steps
    options.stopAfter = schedule.stopAfter
    options.batchTokens = schedule.batchTokens
    options.microBatchTokens = schedule.microBatchTokens
    options.sequenceLength = schedule.sequenceLength
    options.seed = schedule.seed
    options.checkpointEvery = schedule.checkpointEvery
    options.evaluateEvery = schedule.evaluateEvery
    options.skipBadSteps = schedule.skipBadSteps
    options.learningRate = optimizer.learningRate
    options.schedule = optimizer.learningRateSchedule
    options.warmUpSteps = optimizer.warmup
    options.weightDecay = optimizer.weightDecay
    options.beta2 = optimizer.beta2
    options.gradientClip = optimizer.gradientClip
    options.capacityFactor = experts.capacityFactor
    return options
  }

  /// What is going to be trained, in a few words.
  private func summary(of plan: TrainingPlan, _ runtime: ModelRuntime) -> String {
    let (model, configuration) = (plan.model, plan.configuration)
    let parameters = ParameterCount(model).map { "\($0.total) parameters, \($0.active) of them active for a token" }
    let from = plan.completedSteps > 0 ? ", from step \(plan.completedSteps)" : ""
    return """
      model        \(parameters ?? "too many parameters to count"): \(model.layerCount) layers, hidden \
      \(model.hiddenSize), \(model.expertCount) experts top-\(model.expertsPerToken), vocabulary \(model.vocabularySize)
      ranks        \(runtime.topology.worldSize), \(runtime.topology.expertParallelSize) share one set of experts; \
      \(runtime.workers.threadCount) threads each
      steps        \(configuration.stepCount) of \(configuration.batchTokens) tokens in sequences of \
      \(configuration.sequenceLength)\(from)
      output       \(output)
      """
  }
}
