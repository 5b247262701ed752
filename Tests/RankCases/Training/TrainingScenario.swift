import Communication
import ExpertParallel
import Kernels
import LanguageModel
import Tensors
import Training

/// A small training run: what it trains, on what and how, on however many ranks it is given.
struct TrainingScenario: Sendable {
  var model: ModelConfiguration
  var configuration = TrainingConfiguration()
  var sequences: ListedSequences
  var expertParallelSize: Int?
  var threads = 1
  var replacement: ReplacementSchedule?
  /// How the ranks exchange tokens; the model's own options if nil.
  var exchange: ExchangeOptions?

  /// Two layers with experts on 12 sequences of 16 tokens, 6 a step.
  static var small: TrainingScenario {
    var model = ModelConfiguration(
      vocabularySize: 40, hiddenSize: 32, intermediateSize: 24, layerCount: 2, headCount: 2, keyValueHeadCount: 1,
      expertCount: 4, expertsPerToken: 2, maximumPositions: 16)
    model.balanceLossCoefficient = 0.02
    model.zLossCoefficient = 0.001
    model.initializerRange = 0.1
    var scenario = TrainingScenario(
      model: model, sequences: .learnable(count: 12, length: 16, vocabularySize: model.vocabularySize))
    scenario.configuration.stepCount = 20
    scenario.configuration.warmUpSteps = 2
    scenario.configuration.learningRate = 3e-3
    scenario.configuration.sequenceLength = 16
    scenario.configuration.batchSequences = 6
    scenario.configuration.microBatchSequences = 6
    scenario.configuration.seed = 11
    return scenario
  }

  /// The run on one rank of `world`, before its first step.
  func begin(over world: any Communicator) throws -> ScenarioRun {
    let rank = try RankModel(model, over: world, expertParallelSize: expertParallelSize, threads: threads) { weights in
      weights.initialize(model, seed: configuration.seed, workers: WorkerPool(threadCount: 1))
    }
    return try begin(rank, state: TrainingState(beginningWith: rank.parameters, configuration))
  }

  /// The run on one rank, going on from a state.
  func begin(_ rank: RankModel, state: TrainingState) throws -> ScenarioRun {
    let order = SequenceOrder(
      sequenceCount: sequences.sequenceCount, batchSize: configuration.batchSequences, seed: configuration.seed)
    if let exchange { rank.runtime.experts.options = exchange }
    let loop = try TrainingLoop(
      configuration, model: rank.model, state: state, data: TrainingData(sequences, order: order),
      replacement: replacement, on: rank.runtime)
    return ScenarioRun(rank: rank, loop: loop)
  }

  /// The metrics of the first steps, on this rank.
  func run(over world: any Communicator, steps: Int) throws -> [StepMetrics] {
    try begin(over: world).advance(steps)
  }

  /// The metrics of the first steps of the same run on a single rank.
  func runAlone(steps: Int) throws -> [StepMetrics] {
    var alone = self
    alone.expertParallelSize = nil
    return try LoopbackFabric.run(ranks: 1) { [alone] world in try alone.run(over: world, steps: steps) }[0]
  }
}

/// A scenario's run on one rank.
struct ScenarioRun {
  let rank: RankModel
  let loop: TrainingLoop

  func advance(_ steps: Int) throws -> [StepMetrics] { try (0..<steps).map { _ in try loop.step() } }

  var weights: [String: [UInt32]] { Self.bits(loop.state.weights) }
  var firstMoment: [String: [UInt32]] { Self.bits(loop.state.optimizer.firstMoment) }
  var secondMoment: [String: [UInt32]] { Self.bits(loop.state.optimizer.secondMoment) }

  private static func bits(_ buffer: ParameterBuffer) -> [String: [UInt32]] {
    Dictionary(uniqueKeysWithValues: buffer.layout.slots.map { ($0.name, buffer[$0].elements.map(\.bitPattern)) })
  }
}
