package import Tensors

/// Where each parameter of a model lies in a rank's buffer, and how many there are.
///
/// Order: the embedding table; per layer the input norm, query, key and value as one run, the attention's output, the
/// second norm and the router (or the dense feed-forward); the final norm; the output head unless it is tied; then, per
/// layer and hosted expert, gate and up as one run and down. A matrix is [out, in], as Hugging Face stores it.
/// Backward therefore finishes the replicated gradients from the end of their range to its start.
package enum ModelLayout {
  /// The layout of a rank that hosts the same experts of every layer.
  ///
  /// - Precondition: the configuration is valid (``ModelConfiguration/validate()``).
  package static func make(_ configuration: ModelConfiguration, hostedExperts: Range<Int>) -> ParameterLayout {
    make(configuration) { _ in Array(hostedExperts) }
  }

  /// The layout of a rank.
  ///
  /// - Parameter hostedExperts: those of a layer, slot after slot; equally many of each layer.
  package static func make(
    _ configuration: ModelConfiguration, hostedExperts: (_ layer: Int) -> [Int]
  ) -> ParameterLayout {
    var layout = ParameterLayout()
    for run in replicatedRuns(configuration) { layout.add(run, isReplicated: true) }
    for layer in 0..<configuration.layerCount where configuration.hasExperts(layer: layer) {
      for expert in hostedExperts(layer) {
        precondition(0..<configuration.expertCount ~= expert, "expert \(expert) of \(configuration.expertCount)")
        for run in expertRuns(configuration, layer: layer, expert: expert) { layout.add(run, isReplicated: false) }
      }
    }
    return layout
  }

  /// The layout of one rank that holds everything: its slots list every tensor of the model.
  package static func whole(_ configuration: ModelConfiguration) -> ParameterLayout {
    make(configuration, hostedExperts: 0..<configuration.expertCount)
  }

  private typealias Run = [(name: String, shape: Shape)]

  private static func replicatedRuns(_ configuration: ModelConfiguration) -> [Run] {
    let hidden = configuration.hiddenSize
    let table = Shape(rows: configuration.vocabularySize, columns: hidden)
    var runs: [Run] = [[(ParameterNames.embedding, table)]]
    for layer in 0..<configuration.layerCount { runs += layerRuns(configuration, layer: layer) }
    runs.append([(ParameterNames.finalNorm, Shape([hidden]))])
    if !configuration.tiesEmbeddings { runs.append([(ParameterNames.outputHead, table)]) }
    return runs
  }

  private static func layerRuns(_ configuration: ModelConfiguration, layer: Int) -> [Run] {
    let names = ParameterNames.layer(layer)
    let hidden = configuration.hiddenSize
    let queries = configuration.headCount * configuration.headSize
    let keys = configuration.keyValueHeadCount * configuration.headSize
    let attention: [Run] = [
      [(names.inputNorm, Shape([hidden]))],
      [
        (names.query, Shape([queries, hidden])), (names.key, Shape([keys, hidden])),
        (names.value, Shape([keys, hidden])),
      ],
      [(names.attentionOutput, Shape([hidden, queries]))],
      [(names.feedForwardNorm, Shape([hidden]))],
    ]
    guard !configuration.hasExperts(layer: layer) else {
      return attention + [[(names.router, Shape([configuration.expertCount, hidden]))]]
    }
    let width = configuration.intermediateSize
    return attention + [
      [(names.denseGate, Shape([width, hidden])), (names.denseUp, Shape([width, hidden]))],
      [(names.denseDown, Shape([hidden, width]))],
    ]
  }

  private static func expertRuns(_ configuration: ModelConfiguration, layer: Int, expert: Int) -> [Run] {
    let names = ParameterNames.layer(layer).expert(expert)
    let hidden = configuration.hiddenSize
    let width = configuration.intermediateSize
    return [
      [(names.gate, Shape([width, hidden])), (names.up, Shape([width, hidden]))],
      [(names.down, Shape([hidden, width]))],
    ]
  }
}
