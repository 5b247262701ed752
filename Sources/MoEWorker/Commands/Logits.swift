import ArgumentParser
import Checkpoints
import Communication
import Inference
import LanguageModel
import Tensors

/// `logits`: what a model makes of given tokens, for comparisons.
struct Logits: WorkerCommand {
  static let configuration = CommandConfiguration(
    commandName: "logits", abstract: "Writes the logits of given token ids, for comparison with other programs.")

  @OptionGroup var source: ModelOptions
  @OptionGroup var run: RunOptions

  @Option(help: ArgumentHelp("A safetensors file with 'input_ids' [B, S].", valueName: "file"))
  var tokens: String

  @Option(help: ArgumentHelp("The safetensors file to write: 'logits' [B, S, V] in F32.", valueName: "file"))
  var output: String

  func run(on worker: Worker) throws {
    let session = try ModelSession(source, run, worker)
    let batch = try TokenFile.read(tokens, session.configuration, over: worker.world)
    let shape = [batch.sequenceCount, batch.sequenceLength, session.configuration.vocabularySize]
    let file = try worker.world.agree { worker.console.isSpeaker ? try makeOutput(shape) : nil }
    let logits = BatchLogits(model: session.model, parameters: session.parameters, runtime: session.runtime)
    try logits.compute(batch) { rows in try file?.append(rows.buffer) }
    try worker.world.agree { try file?.finish() }
  }

  private func makeOutput(_ shape: [Int]) throws -> TensorOutput {
    guard output != tokens else {
      throw Refusal(.cannotCreate, "\(output): this is the --tokens file; name another --output")
    }
    guard ElementType.f32.byteCount(of: shape) != nil else {
      throw Refusal(.usage, "\(tokens): logits of shape \(shape) cannot be written; give fewer tokens")
    }
    return try TensorOutput(output, tensors: [TensorDescription("logits", shape: shape)])
  }
}
