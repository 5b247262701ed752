import Checkpoints
package import Communication
package import LanguageModel

extension TrainingRequest {
  /// What would be trained and how, as far as it is known before text is read or anything is written: a new tokenizer
  /// can turn out smaller than asked for. Every rank calls it.
  ///
  /// - Throws: a `Refusal`, on all ranks alike; or `CommunicationError`.
  package func sizes(over world: any Communicator) throws -> (ModelConfiguration, TrainingConfiguration) {
    do {
      let origin = try TrainingOrigin.find(self, passingOver: [], over: world)
      let model = try origin.model(self)
      let length = try tokenFileSequenceLength(model, over: world)
      return (
        model,
        try origin.configuration(options, corpusSequenceLength: length, maximumPositions: model.maximumPositions)
      )
    } catch let error as CommunicationError {
      throw error
    } catch {
      throw Refusal(error)
    }
  }

  /// Tokens of a sequence where the corpus is a file of token ids, which decides it; nil for text.
  private func tokenFileSequenceLength(_ model: ModelConfiguration, over world: any Communicator) throws -> Int? {
    guard case .tokenFile(let path) = try CorpusSource(corpus) else { return nil }
    return try FileSequences(path, vocabularySize: model.vocabularySize, over: world).sequenceLength
  }
}
