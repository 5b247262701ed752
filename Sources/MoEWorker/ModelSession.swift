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
    var source = try ModelSource.model(options.model, communicator: worker.world)
    let configuration = source.configuration
    runtime = try run.makeRuntime(worker, expertCount: configuration.expertCount)
    let layout = ModelLayout.make(configuration, hostedExperts: runtime.experts.hostedSlots)
    try worker.requireMemory(bytes: layout.count * MemoryLayout<Float>.stride, for: "the model's weights")
    parameters = ParameterBuffer(zeros: layout)
    try Self.loadWeights(into: parameters, from: &source, options.model, worker)
    for notice in source.notices { worker.warn(notice) }
    path = source.path
    tokenizer = try worker.world.agree { [source] in
      guard let bytes = source.tokenizer else { return nil }
      return try Self.tokenizer(bytes, source)
    }
    model = MoETransformer(configuration, layout: layout, positionCount: configuration.maximumPositions)
  }

  /// Loads the weights; of a run, those of the newest checkpoint that is not damaged, which becomes the source.
  private static func loadWeights(
    into parameters: ParameterBuffer, from source: inout ModelSource, _ path: String, _ worker: Worker
  ) throws {
    while true {
      do throws(Refusal) {
        return try source.loadWeights(into: parameters)
      } catch {
        guard let step = source.step, source.mayBePassedOver(because: error),
          let earlier = try? ModelSource.model(path, before: step, communicator: worker.world),
          earlier.configuration == source.configuration
        else { throw error }
        worker.warn("a newer checkpoint was passed over: \(error.message)")
        source = earlier
      }
    }
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
