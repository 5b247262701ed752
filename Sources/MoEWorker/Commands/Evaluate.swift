import ArgumentParser
import Communication
import LanguageModel
import Topology
import Training

/// `evaluate`: how well a model predicts a text.
struct Evaluate: WorkerCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Loss, perplexity and bits per byte of a text under a model, over windows that do not overlap.")

  @OptionGroup var source: ModelOptions
  @OptionGroup var run: RunOptions
  @OptionGroup var results: ResultOptions

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Text files, folders that are searched for text, or a safetensors file with 'input_ids'.", valueName: "path"))
  var corpus: [String]

  @Flag(help: "Only the last 5 % of each file, which training holds out.")
  var heldOut = false

  @Option(help: "Tokens of a window. (default: 256, or the model's positions if fewer)", transform: Parse.positive)
  var sequenceLength: Int?

  func run(on worker: Worker) throws {
    let session = try ModelSession(source, run, worker)
    let sequences = try sequences(session, worker)
    guard sequences.sequenceLength <= session.configuration.maximumPositions else {
      throw Refusal(
        .usage,
        "windows of \(sequences.sequenceLength) tokens for a model of \(session.configuration.maximumPositions) "
          + "positions: give a smaller --sequence-length")
    }
    let atOnce = max(1, Self.tokensAtOnce / sequences.sequenceLength) * worker.world.size
    let result = try Evaluation(session.model, session.parameters, on: session.runtime)
      .measure(sequences, sequencesAtOnce: atOnce)
    try results.write(
      JSONLine([
        "loss": .real(result.loss, digits: 9), "perplexity": .real(result.perplexity, digits: 9),
        "bits_per_byte": result.bitsPerByte.map { .real($0, digits: 9) } ?? .null, "tokens": .integer(result.tokens),
        "sequence_length": .integer(sequences.sequenceLength),
      ]), worker)
  }

  /// Tokens of a rank that pass through the model at once, about.
  private static let tokensAtOnce = 2048
  private static let usualLength = 256

  private func sequences(_ session: ModelSession, _ worker: Worker) throws -> any SequenceSource {
    switch try worker.world.agree({ try CorpusSource(corpus) }) {
    case .tokenFile(let path):
      if heldOut { throw Refusal(.usage, "\(path): nothing is held out of a file of token ids; leave --held-out away") }
      let sequences = try FileSequences(
        path, vocabularySize: session.configuration.vocabularySize, over: worker.world)
      guard sequenceLength == nil || sequenceLength == sequences.sequenceLength else {
        throw Refusal(
          .usage, "\(path): its sequences have \(sequences.sequenceLength) tokens; leave --sequence-length away")
      }
      return sequences
    case .text(let paths):
      let tokenizer = try session.requireTokenizer(instead: "give token ids in a safetensors file to --corpus")
      let text = try TextCorpus(paths, over: worker.world)
      for warning in text.warnings { worker.warn(warning) }
      let length = sequenceLength ?? min(Self.usualLength, session.configuration.maximumPositions)
      let tokens = try text.tokens(heldOut ? .heldOut : .whole, tokenizer, over: worker.world)
      return try worker.world.agree {
        try TextSequences(
          tokens, sequenceLength: length, remainder: .padded, name: heldOut ? "the held-out text" : "the text")
      }
    }
  }
}
