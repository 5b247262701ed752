import Checkpoints
import Communication
import LanguageModel
import Tokenization

/// The text of a run as it was found: files for a tokenizer, or token ids.
enum TrainingText {
  case text(TextCorpus)
  case tokens(path: String)

  /// Finds the files; every rank calls it.
  static func find(_ paths: [String], over world: any Communicator) throws -> TrainingText {
    switch try CorpusSource(paths) {
    case .text(let paths): .text(try TextCorpus(paths, over: world))
    case .tokenFile(let path): .tokens(path: path)
    }
  }

  var notices: [String] {
    switch self {
    case .text(let corpus): corpus.warnings
    case .tokens: []
    }
  }

  /// Text as sequences, and what it decides about the model and the run.
  struct Prepared {
    var model: ModelConfiguration
    var configuration: TrainingConfiguration
    var sequences: any SequenceSource
    /// Windows of the held-out text, if the run looks at them.
    var heldOut: (any SequenceSource)?
    var tokenizer: Tokenizer?
    var notices: [String] = []
  }

  /// Makes sequences for a model; every rank calls it.
  func prepare(
    for model: ModelConfiguration, _ origin: TrainingOrigin, _ options: TrainingOptions, over world: any Communicator
  ) throws -> Prepared {
    switch self {
    case .tokens(let path): try prepare(tokens: path, model, origin, options, over: world)
    case .text(let corpus): try prepare(corpus, model, origin, options, over: world)
    }
  }

  private func prepare(
    tokens path: String, _ model: ModelConfiguration, _ origin: TrainingOrigin, _ options: TrainingOptions,
    over world: any Communicator
  ) throws -> Prepared {
    let sequences = try FileSequences(path, vocabularySize: model.vocabularySize, over: world)
    return Prepared(
      model: model,
      configuration: try origin.configuration(
        options, corpusSequenceLength: sequences.sequenceLength, maximumPositions: model.maximumPositions),
      sequences: sequences, tokenizer: try origin.tokenizer.map { try Tokenizer(contentsOf: $0) })
  }

  private func prepare(
    _ corpus: TextCorpus, _ model: ModelConfiguration, _ origin: TrainingOrigin, _ options: TrainingOptions,
    over world: any Communicator
  ) throws -> Prepared {
    let configuration = try origin.configuration(options, maximumPositions: model.maximumPositions)
    var model = model
    var notices: [String] = []
    let tokenizer = try Self.tokenizer(for: corpus, origin, &model, &notices, over: world)
    func sequences(
      _ part: TextCorpus.Part, _ remainder: TextSequences.Remainder, _ name: String
    ) throws -> TextSequences {
      try TextSequences(
        try corpus.tokens(part, tokenizer, over: world), sequenceLength: configuration.sequenceLength,
        remainder: remainder, name: name)
    }
    return Prepared(
      model: model, configuration: configuration, sequences: try sequences(.training, .dropped, "the training text"),
      heldOut: configuration.evaluateEvery == nil ? nil : try sequences(.heldOut, .padded, "the held-out text"),
      tokenizer: tokenizer, notices: notices)
  }

  /// The tokenizer that came with the weights, or else one that is trained on the text. A new model gets as many
  /// embeddings as the tokenizer has tokens.
  private static func tokenizer(
    for corpus: TextCorpus, _ origin: TrainingOrigin, _ model: inout ModelConfiguration, _ notices: inout [String],
    over world: any Communicator
  ) throws -> Tokenizer {
    if let existing = origin.tokenizer {
      let tokenizer = try Tokenizer(contentsOf: existing)
      guard tokenizer.vocabularySize <= model.vocabularySize else {
        throw TrainingError(
          .contradictsCheckpoint,
          "the tokenizer in \(origin.source?.path ?? "") has \(tokenizer.vocabularySize) tokens, its model only "
            + "\(model.vocabularySize)")
      }
      return tokenizer
    }
    let trained = try corpus.trainTokenizer(vocabularySize: model.vocabularySize, over: world)
    notices += [trained.warning].compactMap(\.self)
    if origin.source == nil {
      model.vocabularySize = trained.tokenizer.vocabularySize
      model.endToken = trained.tokenizer.endOfText.map(Int.init)
    }
    return trained.tokenizer
  }
}
