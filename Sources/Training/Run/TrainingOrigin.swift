import Checkpoints
import Communication
import LanguageModel
import Tensors

/// What a run begins with.
enum TrainingOrigin {
  /// Random weights.
  case nothing
  /// Another model's weights.
  case model(ModelSource)
  /// A checkpoint of the run itself.
  case checkpoint(ModelSource, TrainerState)

  /// Finds it; every rank calls it.
  ///
  /// - Parameter damaged: checkpoints of the run that are no good, newest first.
  static func find(
    _ request: TrainingRequest, passingOver damaged: [DamagedCheckpoint], over world: any Communicator
  ) throws -> TrainingOrigin {
    if request.resumes {
      let run = RunDirectory(request.output, files: request.files)
      let limit = damaged.last?.step ?? .max
      if let source = try ModelSource.newestCheckpoint(in: run, before: limit, communicator: world) {
        return .checkpoint(source, try TrainerState(json: source.trainerState ?? [], path: source.path))
      }
      if let refusal = damaged.first?.refusal {
        throw Refusal(refusal.kind, "\(refusal.message); there is no earlier complete checkpoint")
      }
    }
    guard let path = request.initializeFrom else { return .nothing }
    return .model(try ModelSource.model(path, communicator: world))
  }

  var source: ModelSource? {
    switch self {
    case .nothing: nil
    case .model(let source), .checkpoint(let source, _): source
    }
  }

  var trainerState: TrainerState? {
    guard case .checkpoint(_, let state) = self else { return nil }
    return state
  }

  /// The content of the `tokenizer.json` that the weights were trained with.
  var tokenizer: [UInt8]? { source?.tokenizer }

  /// The model that the run trains, before a new tokenizer has had its say.
  func model(_ request: TrainingRequest) throws(TrainingError) -> ModelConfiguration {
    guard let source else { return try request.newModel() }
    return try request.existingModel(source.configuration, from: source.path)
  }

  /// How the run trains: what the options say, completed by the checkpoint, or else by defaults.
  func configuration(
    _ options: TrainingOptions, corpusSequenceLength: Int? = nil, maximumPositions: Int
  ) throws(TrainingError) -> TrainingConfiguration {
    guard let trainerState else {
      return try options.configuration(
        corpusSequenceLength: corpusSequenceLength, maximumPositions: maximumPositions)
    }
    return try options.configuration(resuming: trainerState.configuration, maximumPositions: maximumPositions)
  }

  /// The state before the run's next step; every rank calls it.
  func state(
    _ model: ModelConfiguration, _ configuration: TrainingConfiguration, layout: ParameterLayout,
    on runtime: ModelRuntime
  ) throws -> TrainingState {
    let weights = ParameterBuffer(zeros: layout)
    var state = TrainingState(beginningWith: weights, configuration)
    switch self {
    case .nothing:
      weights.initialize(model, seed: configuration.seed, workers: runtime.workers)
    case .model(let source):
      try source.loadWeights(into: weights)
    case .checkpoint(let source, let saved):
      let optimizer = state.optimizer
      try source.loadTrainingState(
        weights: weights, firstMoment: optimizer.firstMoment, secondMoment: optimizer.secondMoment)
      state.completedSteps = saved.step
    }
    return state
  }
}
