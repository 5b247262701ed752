/// How many parameters a model has. All counts report overflow as nil, so that they can be taken before validation.
package struct ParameterCount: Hashable, Sendable {
  /// Parameters that every rank holds: embeddings, attention, norms, routers, dense feed-forwards, output head.
  package let replicated: Int
  /// Parameters of one expert of one layer.
  package let perExpert: Int
  /// Experts over all layers.
  package let expertCount: Int
  /// Experts over all layers that one token visits.
  package let activeExpertCount: Int

  package var total: Int { replicated + expertCount * perExpert }
  /// Parameters that take part in one token's forward pass, embedding table and output head included.
  package var active: Int { replicated + activeExpertCount * perExpert }

  /// Nil where a count does not fit in an `Int`.
  package init?(_ configuration: ModelConfiguration) {
    let c = configuration
    guard
      let queries = product(c.headCount, c.headSize), let keys = product(c.keyValueHeadCount, c.headSize),
      let table = product(c.vocabularySize, c.hiddenSize), let expert = product(3, c.intermediateSize, c.hiddenSize),
      let queryOutput = product(2, queries, c.hiddenSize), let keyValue = product(2, keys, c.hiddenSize),
      let norms = product(2, c.hiddenSize), let attention = sum(queryOutput, keyValue, norms),
      let router = product(c.expertCount, c.hiddenSize)
    else { return nil }
    let expertLayers = (c.layerCount + c.expertLayerInterval - 1) / c.expertLayerInterval
    guard
      let tables = product(c.tiesEmbeddings ? 1 : 2, table), let attentions = product(c.layerCount, attention),
      let routers = product(expertLayers, router), let dense = product(c.layerCount - expertLayers, expert),
      let replicated = sum(tables, attentions, routers, dense, c.hiddenSize),
      let experts = product(expertLayers, c.expertCount), let active = product(expertLayers, c.expertsPerToken),
      let expertParameters = product(experts, expert), sum(replicated, expertParameters) != nil
    else { return nil }
    self.replicated = replicated
    perExpert = expert
    expertCount = experts
    activeExpertCount = active
  }
}

private func product(_ factors: Int...) -> Int? {
  factors.reduce(1) { partial, factor in
    guard let partial else { return nil }
    let (value, overflow) = partial.multipliedReportingOverflow(by: factor)
    return overflow ? nil : value
  }
}

private func sum(_ terms: Int...) -> Int? {
  terms.reduce(0) { partial, term in
    guard let partial else { return nil }
    let (value, overflow) = partial.addingReportingOverflow(term)
    return overflow ? nil : value
  }
}
