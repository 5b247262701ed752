/// The architecture of a decoder in Mixtral's family and what its training adds to the loss.
///
/// Field names are the glossary's; `config.json`'s spellings live in `Checkpoints`.
package struct ModelConfiguration: Hashable, Sendable {
  package var vocabularySize: Int
  package var hiddenSize: Int
  /// Width inside one expert, and inside the feed-forward of a dense layer.
  package var intermediateSize: Int
  package var layerCount: Int
  package var headCount: Int
  package var keyValueHeadCount: Int
  package var headSize: Int
  package var expertCount: Int
  package var expertsPerToken: Int
  package var maximumPositions: Int
  package var ropeTheta: Double = 1_000_000
  package var normEpsilon: Float = 1e-5
  package var initializerRange: Float = 0.02
  package var tiesEmbeddings = false
  /// Every n-th layer has experts, counted from the last one; 1 means all of them. Others have one dense feed-forward.
  package var expertLayerInterval = 1
  package var balanceLossCoefficient: Float = 0.001
  package var zLossCoefficient: Float = 0
  package var beginningToken: Int?
  package var endToken: Int?

  package init(
    vocabularySize: Int, hiddenSize: Int, intermediateSize: Int, layerCount: Int, headCount: Int,
    keyValueHeadCount: Int, headSize: Int? = nil, expertCount: Int, expertsPerToken: Int, maximumPositions: Int
  ) {
    self.vocabularySize = vocabularySize
    self.hiddenSize = hiddenSize
    self.intermediateSize = intermediateSize
    self.layerCount = layerCount
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount
    self.headSize = headSize ?? hiddenSize / max(headCount, 1)
    self.expertCount = expertCount
    self.expertsPerToken = expertsPerToken
    self.maximumPositions = maximumPositions
  }

  /// Whether a layer's feed-forward is a mixture of experts.
  package func hasExperts(layer: Int) -> Bool { (layerCount - 1 - layer) % expertLayerInterval == 0 }
}
