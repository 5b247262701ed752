package import LanguageModel

/// Reads `config.json` of Mixtral models, in the spellings of transformers 4 and 5.
///
/// Every key that changes arithmetic is honoured or refused by name. Keys that transformers' Mixtral does not look at
/// are ignored, as it does.
package struct ConfigurationReader {
  private let members: [String: JSONValue]
  private let path: String

  package static func read(_ bytes: [UInt8], path: String) throws(CheckpointError) -> ModelConfiguration {
    let reader = try ConfigurationReader(bytes, path: path)
    try reader.checkArchitecture()
    try reader.checkFixedChoices()
    let configuration = try reader.configuration()
    do {
      try configuration.validate()
    } catch {
      throw CheckpointError(.malformed, path, error.message)
    }
    return configuration
  }

  private init(_ bytes: [UInt8], path: String) throws(CheckpointError) {
    let parsed: JSONValue
    do {
      parsed = try JSONReader.parse(bytes)
    } catch {
      throw CheckpointError(.malformed, path, "this is not valid JSON: \(error)")
    }
    guard let members = parsed.object else { throw CheckpointError(.malformed, path, "this is no JSON object") }
    self.members = members
    self.path = path
  }

  // MARK: What the model is

  private func checkArchitecture() throws(CheckpointError) {
    guard let type = members["model_type"] else { throw missing("model_type") }
    guard let name = type.string, ConfigurationKeys.modelTypes.contains(name) else {
      throw unsupported("model_type", type, "\"\(ConfigurationKeys.mixtralType)\"")
    }
    guard let architectures = members["architectures"], architectures != .null else { return }
    let names = architectures.array?.map(\.string) ?? []
    guard names.contains(ConfigurationKeys.architecture) else {
      throw unsupported("architectures", architectures, "\"\(ConfigurationKeys.architecture)\"")
    }
  }

  private func checkFixedChoices() throws(CheckpointError) {
    for (key, accepted) in ConfigurationKeys.fixedChoices {
      guard let value = members[key], value != .null, !Self.isSame(value, accepted) else { continue }
      throw unsupported(key, value, "\(accepted)")
    }
    for key in ConfigurationKeys.mustBeNull {
      guard let value = members[key], value != .null else { continue }
      throw unsupported(key, value, "null")
    }
    try checkSlidingWindow()
    if let types = members["layer_types"], types != .null {
      guard let names = types.array, names.allSatisfy({ $0 == "full_attention" }) else {
        throw unsupported("layer_types", types, "\"full_attention\" everywhere")
      }
    }
  }

  private func checkSlidingWindow() throws(CheckpointError) {
    guard let window = members["sliding_window"], window != .null else { return }
    let positions = try integer("max_position_embeddings")
    guard let size = window.integer, size >= positions else {
      throw unsupported("sliding_window", window, "null, or at least max_position_embeddings (\(positions))")
    }
  }

  private static func isSame(_ value: JSONValue, _ other: JSONValue) -> Bool {
    if let number = value.double, let otherNumber = other.double { return number == otherNumber }
    return value == other
  }

  // MARK: The values

  private func configuration() throws(CheckpointError) -> ModelConfiguration {
    let hiddenSize = try integer("hidden_size")
    let headCount = try integer("num_attention_heads")
    var configuration = ModelConfiguration(
      vocabularySize: try integer("vocab_size"), hiddenSize: hiddenSize,
      intermediateSize: try integer("intermediate_size"), layerCount: try integer("num_hidden_layers"),
      headCount: headCount,
      keyValueHeadCount: members["num_key_value_heads"] == .null ? headCount : try integer("num_key_value_heads"),
      headSize: try headSize(hiddenSize: hiddenSize, headCount: headCount),
      expertCount: try integer("num_local_experts"), expertsPerToken: try integer("num_experts_per_tok"),
      maximumPositions: try integer("max_position_embeddings"))
    configuration.ropeTheta = try ropeTheta(default: configuration.ropeTheta)
    configuration.normEpsilon = try float("rms_norm_eps", default: configuration.normEpsilon)
    configuration.initializerRange = try float("initializer_range", default: configuration.initializerRange)
    configuration.balanceLossCoefficient = try float(
      "router_aux_loss_coef", default: configuration.balanceLossCoefficient)
    configuration.zLossCoefficient = try float(
      ConfigurationKeys.zLossCoefficient, default: configuration.zLossCoefficient)
    configuration.tiesEmbeddings = try boolean("tie_word_embeddings", default: false)
    configuration.expertLayerInterval =
      try optionalInteger(ConfigurationKeys.expertLayerInterval) ?? configuration.expertLayerInterval
    configuration.beginningToken = try token("bos_token_id")
    configuration.endToken = try token("eos_token_id")
    return configuration
  }

  private func headSize(hiddenSize: Int, headCount: Int) throws(CheckpointError) -> Int {
    if let size = try optionalInteger("head_dim") { return size }
    guard headCount > 0, hiddenSize % headCount == 0 else {
      throw CheckpointError(
        .malformed, path, "hidden_size \(hiddenSize) is not divisible by num_attention_heads \(headCount)")
    }
    return hiddenSize / headCount
  }

  /// `rope_theta` (transformers 4) or `rope_parameters.rope_theta` (transformers 5); scaled forms are refused.
  private func ropeTheta(default defaultTheta: Double) throws(CheckpointError) -> Double {
    var spellings: [Double] = []
    if let theta = members["rope_theta"], theta != .null { spellings.append(try number("rope_theta", theta)) }
    for key in ["rope_parameters", "rope_scaling"] {
      guard let value = members[key], value != .null else { continue }
      guard let parameters = value.object else { throw unsupported(key, value, "an object") }
      try checkRotary(key, parameters)
      if let theta = parameters["rope_theta"] { spellings.append(try number("\(key).rope_theta", theta)) }
    }
    let theta = spellings.first ?? defaultTheta
    if let other = spellings.first(where: { $0 != theta }) {
      throw CheckpointError(.contradiction, path, "rope_theta is given as \(theta) and as \(other)")
    }
    return theta
  }

  private func checkRotary(_ key: String, _ parameters: [String: JSONValue]) throws(CheckpointError) {
    for (name, value) in parameters.sorted(by: { $0.key < $1.key }) where name != "rope_theta" {
      switch name {
      case "rope_type", "type":
        guard value == "default" else { throw unsupported("\(key).\(name)", value, "\"default\"") }
      case "partial_rotary_factor":
        guard value.double == 1 else { throw unsupported("\(key).\(name)", value, "1") }
      default: throw unsupported("\(key).\(name)", value, "no such key")
      }
    }
  }

  /// A token's id; of several the first.
  private func token(_ key: String) throws(CheckpointError) -> Int? {
    if let first = members[key]?.array?.first {
      guard let id = first.integer else { throw wrongType(key, first, "a whole number") }
      return id
    }
    return try optionalInteger(key)
  }

  // MARK: Keys

  private func integer(_ key: String) throws(CheckpointError) -> Int {
    guard let value = members[key] else { throw missing(key) }
    guard let integer = value.integer else { throw wrongType(key, value, "a whole number") }
    return integer
  }

  private func optionalInteger(_ key: String) throws(CheckpointError) -> Int? {
    guard let value = members[key], value != .null else { return nil }
    return try integer(key)
  }

  private func float(_ key: String, default defaultValue: Float) throws(CheckpointError) -> Float {
    guard let value = members[key], value != .null else { return defaultValue }
    return Float(try number(key, value))
  }

  private func number(_ key: String, _ value: JSONValue) throws(CheckpointError) -> Double {
    guard let number = value.double else { throw wrongType(key, value, "a number") }
    return number
  }

  private func boolean(_ key: String, default defaultValue: Bool) throws(CheckpointError) -> Bool {
    guard let value = members[key], value != .null else { return defaultValue }
    guard let boolean = value.boolean else { throw wrongType(key, value, "true or false") }
    return boolean
  }

  private func missing(_ key: String) -> CheckpointError {
    CheckpointError(.malformed, path, "the key \(key) is missing")
  }

  private func wrongType(_ key: String, _ value: JSONValue, _ expected: String) -> CheckpointError {
    CheckpointError(.malformed, path, "\(key) is \(shortened(value)); it must be \(expected)")
  }

  private func unsupported(_ key: String, _ value: JSONValue, _ expected: String) -> CheckpointError {
    CheckpointError(
      .unsupported, path, "\(key) is \(shortened(value)), which is not supported; supported is \(expected)")
  }

  private func shortened(_ value: JSONValue) -> String {
    let text = value.description
    return text.count <= 80 ? text : text.prefix(80) + "…"
  }
}
