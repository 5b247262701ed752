import Kernels
package import Tensors

/// A decoder-only transformer in Mixtral's family: embedding, blocks, final norm, output head.
///
/// A description of what to compute and where its parameters lie; it owns no memory. Every rank of a job calls the same
/// methods in the same order, with its own sequences, even when it has none: experts of its own may get others' tokens.
package struct MoETransformer: Sendable {
  package let configuration: ModelConfiguration
  let embedding: ParameterSlot
  let blocks: [TransformerBlock]
  let finalNorm: RootMeanSquareNorm
  /// The embedding table itself where embeddings are tied; both uses then add to one gradient.
  let outputHead: ParameterSlot
  private let positionCount: Int
  /// The final norm's parameters and all replicated ones behind them.
  let headRange: Range<Int>

  /// - Parameters:
  ///   - layout: this rank's; see ``ModelLayout``.
  ///   - positionCount: the longest sequence that will be computed.
  package init(_ configuration: ModelConfiguration, layout: ParameterLayout, positionCount: Int) {
    precondition(
      positionCount <= configuration.maximumPositions,
      "\(positionCount) positions of a model that has \(configuration.maximumPositions)")
    self.configuration = configuration
    self.positionCount = positionCount
    embedding = layout.slot(ParameterNames.embedding)
    finalNorm = RootMeanSquareNorm(
      scale: layout.slot(ParameterNames.finalNorm), epsilon: configuration.normEpsilon)
    outputHead = layout.slot(
      configuration.tiesEmbeddings ? ParameterNames.embedding : ParameterNames.outputHead)
    headRange = finalNorm.scale.range.lowerBound..<layout.replicatedCount
    let rotary = RotaryTable(
      headSize: configuration.headSize, theta: configuration.ropeTheta, positionCount: positionCount)
    blocks = (0..<configuration.layerCount).map { layer in
      TransformerBlock(configuration, layout: layout, layer: layer, rotary: rotary)
    }
  }

  /// The same model with its parameters in other places.
  package func relaid(_ layout: ParameterLayout) -> MoETransformer {
    MoETransformer(configuration, layout: layout, positionCount: positionCount)
  }

  /// Layers that have experts.
  package var expertLayerCount: Int { blocks.count { $0.feedForward.hasExperts } }
}

extension TransformerBlock {
  init(_ configuration: ModelConfiguration, layout: ParameterLayout, layer: Int, rotary: RotaryTable) {
    let names = ParameterNames.layer(layer)
    let isLast = layer == configuration.layerCount - 1
    let next = isLast ? ParameterNames.finalNorm : ParameterNames.layer(layer + 1).inputNorm
    self.init(
      attentionNorm: RootMeanSquareNorm(
        scale: layout.slot(names.inputNorm), epsilon: configuration.normEpsilon),
      attention: SelfAttention(
        projection: JoinedSlot(layout, from: names.query, through: names.value, columns: configuration.hiddenSize),
        output: layout.slot(names.attentionOutput), headCount: configuration.headCount,
        keyValueHeadCount: configuration.keyValueHeadCount, headSize: configuration.headSize, rotary: rotary),
      feedForwardNorm: RootMeanSquareNorm(
        scale: layout.slot(names.feedForwardNorm), epsilon: configuration.normEpsilon),
      feedForward: FeedForward(configuration, layout: layout, layer: layer), layer: layer,
      replicatedRange: layout.slot(names.inputNorm).range.lowerBound..<layout.slot(next).range.lowerBound)
  }
}
