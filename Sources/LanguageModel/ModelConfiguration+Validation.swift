extension ModelConfiguration {
  /// The most tensors a model may have: a description that names more is nonsense and would fill the memory with names.
  private static let tensorLimit = 1 << 22

  /// Checks everything that later code takes for granted, so that no size overflows and no shape contradicts another.
  package func validate() throws(ConfigurationError) {
    try validateSizes()
    try validateHeads()
    try validateExperts()
    try validateNumbers()
    try validateTotal()
  }

  private func validateSizes() throws(ConfigurationError) {
    let sizes = [
      ("vocabulary size", vocabularySize), ("hidden size", hiddenSize), ("intermediate size", intermediateSize),
      ("number of layers", layerCount), ("number of attention heads", headCount),
      ("number of key-value heads", keyValueHeadCount), ("head size", headSize), ("number of experts", expertCount),
      ("number of positions", maximumPositions), ("expert layer interval", expertLayerInterval),
    ]
    for (name, size) in sizes {
      try require(size > 0, "the \(name) is \(size); it must be at least 1")
      try require(size <= Int(Int32.max), "the \(name) is \(size), more than \(Int32.max)")
    }
  }

  private func validateHeads() throws(ConfigurationError) {
    try require(
      headCount % keyValueHeadCount == 0,
      "\(headCount) attention heads cannot share \(keyValueHeadCount) key-value heads evenly")
    try require(headSize % 2 == 0, "the head size is \(headSize); rotary positions need an even one")
  }

  private func validateExperts() throws(ConfigurationError) {
    try require(
      expertsPerToken >= 1 && expertsPerToken <= expertCount,
      "\(expertsPerToken) experts per token of \(expertCount) experts; it must be between 1 and \(expertCount)")
    try require(
      expertLayerInterval <= layerCount,
      "an expert layer every \(expertLayerInterval) layers of \(layerCount): use at most \(layerCount)")
  }

  private func validateNumbers() throws(ConfigurationError) {
    try require(ropeTheta > 0 && ropeTheta.isFinite, "the rotary base is \(ropeTheta); it must be positive")
    try require(normEpsilon > 0 && normEpsilon.isFinite, "the norm's epsilon is \(normEpsilon); it must be positive")
    for (name, value) in [
      ("initializer range", initializerRange), ("balance loss coefficient", balanceLossCoefficient),
      ("z-loss coefficient", zLossCoefficient),
    ] {
      try require(value >= 0 && value.isFinite, "the \(name) is \(value); it must be zero or more")
    }
    for (name, token) in [("beginning", beginningToken), ("end", endToken)] {
      guard let token else { continue }
      try require(
        token >= 0 && token < vocabularySize, "the \(name) token is \(token) in a vocabulary of \(vocabularySize)")
    }
  }

  private func validateTotal() throws(ConfigurationError) {
    // Seven replicated tensors in a layer, three more for each expert.
    let (experts, expertOverflow) = expertCount.multipliedReportingOverflow(by: 3)
    let (tensors, overflow) = layerCount.multipliedReportingOverflow(by: experts + 7)
    try require(
      !expertOverflow && !overflow && tensors <= Self.tensorLimit,
      "\(layerCount) layers of \(expertCount) experts are more than \(Self.tensorLimit) tensors")
    // Weights, gradients and two moments, four bytes each, must be countable in bytes.
    let total = ParameterCount(self)?.total ?? .max
    try require(total <= Int.max / 32, "the model has more parameters than can be counted; check its sizes")
  }

  private func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(ConfigurationError) {
    if !condition { throw ConfigurationError(message()) }
  }
}
