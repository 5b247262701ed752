import LanguageModel

extension TrainingRequest {
  /// Refuses flags that no text could make possible, before any text is read. Where sizes come from a checkpoint, another
  /// model or a file of tokens, flags are checked against them later.
  func checkFlags() throws(TrainingError) {
    guard !resumes, initializeFrom == nil, !corpus.contains(where: FileSequences.isTokenFile) else { return }
    _ = try options.configuration(maximumPositions: try newModel().maximumPositions)
  }

  /// The description of a new model.
  func newModel() throws(TrainingError) -> ModelConfiguration {
    var model = (preset ?? .tiny).configuration
    model.expertCount = experts ?? model.expertCount
    model.expertsPerToken = expertsPerToken ?? model.expertsPerToken
    model.vocabularySize = vocabularySize ?? model.vocabularySize
    try setLossCoefficients(of: &model)
    return try checked(model)
  }

  /// The description of a model that exists: its sizes stay as they are, its losses' coefficients may change.
  func existingModel(_ existing: ModelConfiguration, from path: String) throws(TrainingError) -> ModelConfiguration {
    try agree("--experts", experts, existing.expertCount, path)
    try agree("--experts-per-token", expertsPerToken, existing.expertsPerToken, path)
    // A run that asked for more tokens than its text gave is resumed with the same words.
    let isRepeated = resumes && (vocabularySize ?? 0) > existing.vocabularySize
    try agree("--vocabulary-size", isRepeated ? nil : vocabularySize, existing.vocabularySize, path)
    var model = existing
    try setLossCoefficients(of: &model)
    return try checked(model)
  }

  private func setLossCoefficients(of model: inout ModelConfiguration) throws(TrainingError) {
    for (flag, value) in [("--balance-loss", balanceLoss), ("--z-loss", zLoss)] {
      guard let value, !(value >= 0 && value.isFinite) else { continue }
      throw TrainingError(.impossibleFlag, "\(flag) \(value) is impossible: give 0 or more")
    }
    model.balanceLossCoefficient = balanceLoss.map { Float($0) } ?? model.balanceLossCoefficient
    model.zLossCoefficient = zLoss.map { Float($0) } ?? model.zLossCoefficient
  }

  /// Flags that make a model impossible are refused in the flags' words.
  private func checked(_ model: ModelConfiguration) throws(TrainingError) -> ModelConfiguration {
    if model.expertsPerToken > model.expertCount {
      throw TrainingError(
        .impossibleFlag,
        "\(model.expertsPerToken) experts per token of \(model.expertCount) experts: give --experts-per-token at most "
          + "\(model.expertCount), or more --experts")
    }
    do throws(ConfigurationError) {
      try model.validate()
    } catch {
      throw TrainingError(.impossibleFlag, error.message)
    }
    return model
  }

  private func agree(_ flag: String, _ given: Int?, _ existing: Int, _ path: String) throws(TrainingError) {
    guard let given, given != existing else { return }
    throw TrainingError(
      .contradictsCheckpoint, "\(flag) \(given) contradicts the model in \(path), which has \(existing); leave it out")
  }
}
