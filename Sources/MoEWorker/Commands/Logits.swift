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
    let file = try worker.world.agree {
      worker.console.isSpeaker ? try LogitsFile(output, batch, session.configuration, tokens: tokens) : nil
    }
    let logits = BatchLogits(model: session.model, parameters: session.parameters, runtime: session.runtime)
    try logits.compute(batch) { rows in try file?.append(rows) }
    try worker.world.agree { try file?.finish() }
  }
}

/// The file that logits go to: written beside, renamed when it is complete.
final class LogitsFile {
  private let path: String
  private let writer: SafetensorsWriter
  private let files = LocalFileSystem()

  private var incompletePath: String { Self.incompletePath(path) }
  private static func incompletePath(_ path: String) -> String { path + ".incomplete" }

  init(_ path: String, _ batch: TokenBatch, _ configuration: ModelConfiguration, tokens: String) throws {
    guard path != tokens else {
      throw Refusal(.cannotCreate, "\(path): this is the --tokens file; name another --output")
    }
    if try files.kind(of: path) == .directory {
      throw Refusal(.cannotCreate, "\(path): this is a directory; name a file with --output")
    }
    if try files.kind(of: Self.incompletePath(path)) != nil { try files.removeFile(Self.incompletePath(path)) }
    let shape = [batch.sequenceCount, batch.sequenceLength, configuration.vocabularySize]
    guard ElementType.f32.byteCount(of: shape) != nil else {
      throw Refusal(.usage, "\(tokens): logits of shape \(shape) cannot be written; give fewer tokens")
    }
    self.path = path
    writer = try SafetensorsWriter(
      creating: Self.incompletePath(path), tensors: [TensorDescription("logits", shape: shape)], files: files)
  }

  func append(_ rows: Tensor) throws { try writer.append(rows.buffer) }

  func finish() throws {
    _ = try writer.finish()
    try files.rename(incompletePath, to: path)
    try files.syncDirectory(parentDirectory(of: path))
  }
}
