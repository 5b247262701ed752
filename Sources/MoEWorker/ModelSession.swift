import Checkpoints
import Communication
import ExpertParallel
import Foundation
import Kernels
import LanguageModel
import Tensors
import Tokenization
import Topology

/// A model that is loaded and spread over the ranks, ready to compute.
struct ModelSession {
  let path: String
  let model: MoETransformer
  let parameters: ParameterBuffer
  let runtime: ModelRuntime
  let tokenizer: Tokenizer?

  var configuration: ModelConfiguration { model.configuration }

  /// Opens and loads a model; every rank calls it.
  init(_ options: ModelOptions, _ run: RunOptions, _ worker: Worker) throws {
    let source = try ModelSource.model(options.model, communicator: worker.world)
    for notice in source.notices { worker.warn(notice) }
    let configuration = source.configuration
    path = source.path
    runtime = try run.makeRuntime(worker, expertCount: configuration.expertCount)
    let layout = ModelLayout.make(configuration, hostedExperts: runtime.experts.hostedSlots)
    try worker.requireMemory(bytes: layout.count * MemoryLayout<Float>.stride, for: "the model's weights")
    tokenizer = try worker.world.agree {
      guard let bytes = source.tokenizer else { return nil }
      return try Self.tokenizer(bytes, source)
    }
    parameters = ParameterBuffer(zeros: layout)
    try source.loadWeights(into: parameters)
    model = MoETransformer(configuration, layout: layout, positionCount: configuration.maximumPositions)
  }

  private static func tokenizer(_ json: [UInt8], _ source: ModelSource) throws(Refusal) -> Tokenizer {
    let path = "\(source.path)/\(ModelDirectory.tokenizerName)"
    let tokenizer: Tokenizer
    do throws(TokenizerError) { tokenizer = try Tokenizer(contentsOf: json) } catch {
      throw Refusal(.invalidData, "\(path): \(error)")
    }
    guard tokenizer.vocabularySize <= source.configuration.vocabularySize else {
      throw Refusal(
        .invalidData,
        "\(path): \(tokenizer.vocabularySize) tokens for a model with a vocabulary of "
          + "\(source.configuration.vocabularySize); give the tokenizer that the model was trained with")
    }
    return tokenizer
  }

  /// The tokenizer, for a command that cannot do without.
  func requireTokenizer(instead alternative: String) throws(Refusal) -> Tokenizer {
    if let tokenizer { return tokenizer }
    throw Refusal(.missingInput, "\(path): there is no \(ModelDirectory.tokenizerName) in it; \(alternative)")
  }
}
