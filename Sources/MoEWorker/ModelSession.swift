import Checkpoints
import Communication
import ExpertParallel
import Foundation
import Kernels
import LanguageModel
import Logging
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
    for notice in source.notices where worker.console.isSpeaker {
      worker.logger.warning("\(notice)")
    }
    let configuration = source.configuration
    path = source.path
    runtime = try run.makeRuntime(worker, expertCount: configuration.expertCount)
    let layout = ModelLayout.make(configuration, hostedExperts: runtime.experts.hostedExperts)
    try worker.requireMemory(bytes: layout.count * MemoryLayout<Float>.stride, for: "the model's weights")
    tokenizer = try worker.world.agree {
      guard let bytes = source.tokenizer else { return nil }
      do {
        return try Tokenizer(contentsOf: bytes)
      } catch {
        throw Refusal(.invalidData, "\(source.path)/\(ModelDirectory.tokenizerName): \(error)")
      }
    }
    parameters = ParameterBuffer(zeros: layout)
    try source.loadWeights(into: parameters)
    model = MoETransformer(configuration, layout: layout, positionCount: configuration.maximumPositions)
  }

  /// The tokenizer, for a command that cannot do without.
  func requireTokenizer(instead alternative: String) throws(Refusal) -> Tokenizer {
    if let tokenizer { return tokenizer }
    throw Refusal(.missingInput, "\(path): there is no \(ModelDirectory.tokenizerName) in it; \(alternative)")
  }
}
