extension ModelConfiguration {
  /// Sizes to start from.
  package enum Preset: String, CaseIterable, Sendable {
    /// 4 M parameters: learns words from a few megabytes of text in a minute or two on two cores.
    case tiny
    /// 30 M parameters: the model that the peers' training programs are timed with.
    case small
    /// 124 M parameters.
    case base

    package var configuration: ModelConfiguration {
      var configuration =
        switch self {
        case .tiny:
          ModelConfiguration(
            vocabularySize: 2048, hiddenSize: 128, intermediateSize: 256, layerCount: 4, headCount: 4,
            keyValueHeadCount: 2, expertCount: 8, expertsPerToken: 2, maximumPositions: 512)
        case .small:
          ModelConfiguration(
            vocabularySize: 8192, hiddenSize: 256, intermediateSize: 1024, layerCount: 4, headCount: 8,
            keyValueHeadCount: 8, expertCount: 8, expertsPerToken: 2, maximumPositions: 512)
        case .base:
          ModelConfiguration(
            vocabularySize: 16384, hiddenSize: 512, intermediateSize: 1024, layerCount: 8, headCount: 8,
            keyValueHeadCount: 4, expertCount: 8, expertsPerToken: 2, maximumPositions: 1024)
        }
      configuration.balanceLossCoefficient = 0.01
      return configuration
    }
  }
}
