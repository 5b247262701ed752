import ArgumentParser
import Communication
import ExpertParallel
import Kernels
import LanguageModel
import Planning
import Tensors
import Topology
import Training

/// `bench step`: one training step of a preset on random tokens.
struct BenchStep: WorkerCommand {
  static let configuration = CommandConfiguration(
    commandName: "step",
    abstract: "One training step of a preset on random tokens: forward, backward, gradient sums, AdamW.",
    discussion: "gflops and ceiling_share count the experts' matmuls alone, as 'bench layer' does.")

  @OptionGroup var run: RunOptions
  @OptionGroup var parallel: ParallelOptions
  @OptionGroup var exchange: ExchangeFlags
  @OptionGroup var calibration: CalibrationOptions
  @OptionGroup var results: ResultOptions

  @Option(help: "The model: tiny, small or base.")
  var preset = ModelConfiguration.Preset.small

  @Option(help: "Tokens of a step, over all ranks.", transform: Parse.positive)
  var batchTokens = 2048

  @Option(
    help: "Tokens that pass through the model at once, over all ranks. (default: the step's)",
    transform: Parse.positive)
  var microBatchTokens: Int?

  @Option(help: "Tokens of a sequence.", transform: Parse.positive)
  var sequenceLength = 256

  @Option(
    name: .customLong("repeat"), help: "How many steps are measured; the median counts.", transform: Parse.positive)
  var repeats = 10

  func run(on worker: Worker) throws {
    try parallel.check(rankCount: worker.world.size)
    let model = preset.configuration
    let training = try worker.world.agree { try configuration.configuration(maximumPositions: model.maximumPositions) }
    let runtime = try run.makeRuntime(
      worker, expertCount: model.expertCount, expertParallelSize: parallel.expertParallel)
    try worker.requireMemory(for: model, training, runtime)
    let advice = try ExchangeAdvice(
      exchange, calibration, for: model, tokenCount: training.microBatchTokens, runtime, worker)
    let loop = try TrainingLoop(randomTokensFor: model, training, on: runtime)
    let ceiling = try MatmulCeiling.highest(over: worker.world, runtime.workers)
    for _ in 0..<Self.warmUpSteps { _ = try loop.step() }
    var steps: [StepMetrics] = []
    var ceilings: [Double] = []
    for _ in 0..<repeats {
      try worker.world.barrier()
      steps.append(try loop.step())
      ceilings.append(ceiling.gigaflops(seconds: try ceiling.seconds()))
    }
    let median = { (value: (StepMetrics) -> Double) in Stopwatch.median(steps.map(value)) }
    let milliseconds = try worker.world.allGather(median(\.stepMilliseconds)).max() ?? 0
    let gigaflops = model.expertFlops(tokenCount: batchTokens) / milliseconds / 1e6
    try results.write(
      JSONLine([
        "benchmark": .text("step"), "preset": .text(preset.rawValue),
        "schedule": .text(runtime.experts.options.policy.rawValue), "dtype": .text("f32"),
        "threads": .integer(runtime.workers.threadCount), "ranks": .integer(worker.world.size),
        "milliseconds": .real(milliseconds), "tokens_per_second": .real(Double(batchTokens) / milliseconds * 1e3),
        "gflops": .real(gigaflops, digits: 4), "ceiling_gflops": .real(Stopwatch.median(ceilings), digits: 4),
        "ceiling_share": .real(gigaflops / Stopwatch.median(ceilings), digits: 3),
        "exchange_milliseconds": .real(median(\.exchangeMilliseconds), digits: 4),
        "exposed_exchange_milliseconds": .real(median(\.exposedExchangeMilliseconds), digits: 4),
        "expert_layers_predicted_milliseconds": .real(
          advice.predictedMilliseconds * Double(batchTokens / training.microBatchTokens), digits: 4),
        "expert_layers_milliseconds": .real(median(\.expertMilliseconds), digits: 4),
        "activation_bytes": .integer(steps.map(\.activationBytes).max() ?? 0), "tokens": .integer(batchTokens),
        "sequence_length": .integer(sequenceLength),
      ]), worker)
  }

  /// The first steps touch new memory and prepare matmuls.
  private static let warmUpSteps = 2

  private var configuration: TrainingOptions {
    var options = TrainingOptions()
    options.steps = repeats + Self.warmUpSteps
    options.batchTokens = batchTokens
    options.microBatchTokens = microBatchTokens
    options.sequenceLength = sequenceLength
    return options
  }
}

extension ModelConfiguration {
  /// Floating-point operations of the experts' matmuls in a training step.
  fileprivate func expertFlops(tokenCount: Int) -> Double {
    let layers = Double((0..<layerCount).count(where: hasExperts))
    return 3 * 2 * 3 * Double(tokenCount) * Double(expertsPerToken) * Double(hiddenSize) * Double(intermediateSize)
      * layers
  }
}

extension TrainingLoop {
  /// A run of a new model on random tokens.
  fileprivate convenience init(
    randomTokensFor model: ModelConfiguration, _ training: TrainingConfiguration, on runtime: ModelRuntime
  ) throws {
    let layout = ModelLayout.make(model, hostedExperts: runtime.experts.hostedSlots)
    let weights = ParameterBuffer(zeros: layout)
    weights.initialize(model, seed: training.seed, workers: runtime.workers)
    let source = RandomSequences(
      sequenceLength: training.sequenceLength, sequenceCount: 64, vocabularySize: model.vocabularySize)
    let order = SequenceOrder(
      sequenceCount: source.sequenceCount, batchSize: training.batchSequences, seed: training.seed)
    try self.init(
      training, model: MoETransformer(model, layout: layout, positionCount: training.sequenceLength),
      state: TrainingState(beginningWith: weights, training), data: TrainingData(source, order: order), on: runtime)
  }
}

/// Tokens that are no text: a function of their place.
private struct RandomSequences: SequenceSource {
  let sequenceLength: Int
  let sequenceCount: Int
  let vocabularySize: Int
  var byteCount: Int? { nil }

  func predictedTokenCount(sequence: Int) -> Int { sequenceLength }

  func copy(sequence: Int, tokens: Buffer<Int32>, targets: Buffer<Int32>) {
    let random = CounterRandom(seed: 0, stream: "bench step")
    let token = { (place: Int) in
      Int32(random.word(UInt64(sequence * (sequenceLength + 1) + place)) % UInt64(vocabularySize))
    }
    for place in 0..<sequenceLength {
      tokens[place] = token(place)
      targets[place] = token(place + 1)
    }
  }
}
