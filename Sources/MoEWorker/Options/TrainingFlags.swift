import ArgumentParser
import LanguageModel
import Training

extension ModelConfiguration.Preset: ExpressibleByArgument {}
extension LearningRateSchedule.Shape: ExpressibleByArgument {}

/// What replaces parts of a preset.
struct ModelShapeOptions: ParsableArguments {
  @Option(help: "Experts of each layer. (default: the preset's)", transform: Parse.positive)
  var experts: Int?

  @Option(
    name: .customLong("experts-per-token"), help: "Experts that each token goes to. (default: the preset's)",
    transform: Parse.positive)
  var expertsPerToken: Int?

  @Option(
    help: "Tokens that the tokenizer knows, if one is trained. (default: the preset's)", transform: Parse.positive)
  var vocabularySize: Int?

  func validate() throws {
    if let experts, let expertsPerToken, expertsPerToken > experts {
      throw ValidationError("--experts-per-token \(expertsPerToken) is more than --experts \(experts)")
    }
  }
}

/// How long, and on how much text at once.
struct ScheduleOptions: ParsableArguments {
  @Option(help: "Updates of the weights in the whole schedule. (default: 500)", transform: Parse.positive)
  var steps: Int?

  @Option(
    help: ArgumentHelp("Save and end after this many steps of the schedule.", valueName: "k"), transform: Parse.positive
  )
  var stopAfter: Int?

  @Option(help: "Tokens of one update. (default: about 4096)", transform: Parse.positive)
  var batchTokens: Int?

  @Option(help: "Tokens that pass through the model at once. (default: the batch's)", transform: Parse.positive)
  var microBatchTokens: Int?

  @Option(help: "Tokens of a sequence. (default: 256)", transform: Parse.positive)
  var sequenceLength: Int?

  @Option(help: "Of the data order and of new weights. (default: 0)", transform: Parse.seed)
  var seed: UInt64?

  @Option(help: "Steps between checkpoints. (default: only at the end)", transform: Parse.positive)
  var checkpointEvery: Int?

  @Option(
    help: ArgumentHelp("Checkpoints that stay; older ones are removed. (default: all)", valueName: "k"),
    transform: Parse.positive)
  var keep: Int?

  @Option(
    help: ArgumentHelp(
      "Steps in a row that are left out if their loss or gradient is no number, or stands out. (default: 0)",
      valueName: "n"),
    transform: Parse.notNegative)
  var skipBadSteps: Int?

  @Option(
    help: ArgumentHelp(
      "Steps between comparisons of what several ranks hold alike, beside those before checkpoints; 0 for never. "
        + "(default: 100)", valueName: "k"),
    transform: Parse.notNegative)
  var checkReplicasEvery: Int?

  @Option(help: "Steps between evaluations of the held-out text. (default: never)", transform: Parse.positive)
  var evaluateEvery: Int?
}

/// AdamW and its learning rate.
struct OptimizerOptions: ParsableArguments {
  @Option(help: "The highest learning rate. (default: 0.001)", transform: Parse.positiveReal)
  var learningRate: Double?

  @Option(help: "What follows the warm-up: cosine or constant. (default: cosine)")
  var learningRateSchedule: LearningRateSchedule.Shape?

  @Option(help: "Steps until the highest learning rate. (default: a tenth, at most 100)", transform: Parse.notNegative)
  var warmup: Int?

  @Option(help: "Decay of every parameter. (default: 0.1)", transform: Parse.notNegativeReal)
  var weightDecay: Double?

  @Option(name: .customLong("beta2"), help: "Decay of the second moment. (default: 0.95)", transform: Parse.belowOne)
  var beta2: Double?

  @Option(help: "The largest norm of a gradient; 0 is off. (default: 1)", transform: Parse.notNegativeReal)
  var gradientClip: Double?
}

/// How tokens are spread over experts, and experts over ranks.
struct ExpertOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Rows that an expert takes of a sequence, over an even share; the rest passes by. (default: all, dropless)",
      valueName: "f"),
    transform: Parse.positiveReal)
  var capacityFactor: Double?

  @Option(help: "Coefficient of the balance loss. (default: the model's)", transform: Parse.notNegativeReal)
  var balanceLoss: Double?

  @Option(help: "Coefficient of the router's z-loss. (default: the model's)", transform: Parse.notNegativeReal)
  var zLoss: Double?
}
