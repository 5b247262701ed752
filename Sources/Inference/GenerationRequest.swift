package import LanguageModel

/// What to continue, how far and how.
package struct GenerationRequest: Hashable, Sendable {
  package var prompt: [Int32]
  package var maximumNewTokens: Int
  package var sampling: Sampling

  package init(prompt: [Int32], maximumNewTokens: Int, sampling: Sampling = Sampling()) {
    self.prompt = prompt
    self.maximumNewTokens = maximumNewTokens
    self.sampling = sampling
  }

  /// Positions that the sequence may come to occupy.
  package func positionCount(_ configuration: ModelConfiguration) -> Int {
    let room = configuration.maximumPositions - min(prompt.count, configuration.maximumPositions)
    return prompt.count + min(max(maximumNewTokens, 0), room)
  }

  package func validate(_ configuration: ModelConfiguration) throws(GenerationError) {
    guard !prompt.isEmpty else { throw GenerationError("the prompt is empty; give at least one token") }
    guard prompt.count < configuration.maximumPositions else {
      throw GenerationError(
        "the prompt has \(prompt.count) tokens and the model \(configuration.maximumPositions) positions: "
          + "shorten it to leave room for new tokens")
    }
    if let token = prompt.first(where: { $0 < 0 || Int($0) >= configuration.vocabularySize }) {
      throw GenerationError("token \(token) of the prompt is not in the vocabulary of \(configuration.vocabularySize)")
    }
    guard maximumNewTokens >= 0 else { throw GenerationError("\(maximumNewTokens) new tokens; give 0 or more") }
    guard sampling.temperature >= 0 && sampling.temperature.isFinite else {
      throw GenerationError("temperature \(sampling.temperature); give 0 or more")
    }
    guard sampling.topP > 0 && sampling.topP <= 1 else {
      throw GenerationError("top-p \(sampling.topP); give more than 0 and at most 1")
    }
  }
}
