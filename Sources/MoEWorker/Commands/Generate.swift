import ArgumentParser
import Communication
import Inference
import Tokenization

/// `generate`: text that goes on from a prompt.
struct Generate: WorkerCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Goes on from a prompt, showing the text as it is made.")

  @OptionGroup var source: ModelOptions
  @OptionGroup var run: RunOptions

  @Option(help: ArgumentHelp("What to go on from.", valueName: "text"))
  var prompt: String?

  @Option(
    help: ArgumentHelp("The same as token ids: 1,2,3. Needs no tokenizer.", valueName: "ids"), transform: Parse.tokens)
  var promptTokens: [Int32]?

  @Option(help: "How many tokens to make at most.", transform: Parse.positive)
  var maxNewTokens = 128

  @Option(
    help: "How freely to choose: 0 takes the likeliest token, 1 follows the model's probabilities.",
    transform: Parse.notNegativeReal)
  var temperature = 0.8

  @Option(
    name: .customLong("top-p"), help: "Choose among the likeliest tokens that together have this probability.",
    transform: Parse.share)
  var topP = 1.0

  @Option(help: "Of the choices.", transform: Parse.seed)
  var seed: UInt64 = 0

  @Flag(help: "End with one line of JSON that holds the new 'tokens' and their 'text'.")
  var json = false

  func validate() throws {
    guard (prompt == nil) != (promptTokens == nil) else {
      throw ValidationError("give either --prompt TEXT or --prompt-tokens IDS")
    }
    if let promptTokens, promptTokens.isEmpty { throw ValidationError("--prompt-tokens is empty") }
  }

  func run(on worker: Worker) throws {
    let session = try ModelSession(source, run, worker)
    let tokens = try promptTokens ?? encodedPrompt(session)
    let request = GenerationRequest(
      prompt: tokens, maximumNewTokens: maxNewTokens,
      sampling: Sampling(temperature: temperature, topP: topP, seed: seed))
    try worker.world.agree { try request.validate(session.configuration) }
    let output = GeneratedText(session.tokenizer, worker.console)
    let new = try Generator(model: session.model, parameters: session.parameters, runtime: session.runtime)
      .generate(request, onToken: output.append)
    try output.finish()
    guard json else { return }
    try worker.console.write(
      JSONLine([
        "prompt_tokens": .integers(tokens.map(Int.init)), "tokens": .integers(new.map(Int.init)),
        "text": session.tokenizer.map { .text($0.decode(new)) } ?? .null,
      ]).description)
  }

  private func encodedPrompt(_ session: ModelSession) throws -> [Int32] {
    let tokenizer = try session.requireTokenizer(instead: "give the prompt with --prompt-tokens 1,2,3")
    return tokenizer.encode(prompt ?? "")
  }
}

/// Shows new tokens as they are made: as text, or as numbers where there is no tokenizer.
final class GeneratedText {
  private let console: Console
  private var decoder: TokenStreamDecoder?
  private var isEmpty = true
  private var failure: OutputError?

  init(_ tokenizer: Tokenizer?, _ console: Console) {
    self.console = console
    decoder = tokenizer.map { TokenStreamDecoder($0, skipSpecialTokens: true) }
  }

  /// What cannot be shown is reported at the end: the other ranks are in the middle of their work.
  func append(_ token: Int32) {
    show(decoder?.append(token) ?? "\(isEmpty ? "" : ",")\(token)")
    isEmpty = false
  }

  func finish() throws(OutputError) {
    show((decoder?.finish() ?? "") + "\n")
    if let failure { throw failure }
  }

  private func show(_ text: String) {
    do throws(OutputError) { if failure == nil { try console.stream(text) } } catch { failure = error }
  }
}
