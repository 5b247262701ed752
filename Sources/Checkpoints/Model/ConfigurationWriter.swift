package import LanguageModel

/// Writes `config.json` and `generation_config.json` so that transformers 4 and 5 both load them.
package enum ConfigurationWriter {
  /// `config.json`. The rotary base and the type of the weights stand in both spellings.
  package static func configuration(_ configuration: ModelConfiguration) -> [UInt8] {
    let isInterleaved = configuration.expertLayerInterval != 1
    var members: [String: JSONValue] = [
      "architectures": [.string(ConfigurationKeys.architecture)],
      "model_type": .string(isInterleaved ? ConfigurationKeys.interleavedType : ConfigurationKeys.mixtralType),
      "vocab_size": .integer(configuration.vocabularySize),
      "hidden_size": .integer(configuration.hiddenSize),
      "intermediate_size": .integer(configuration.intermediateSize),
      "num_hidden_layers": .integer(configuration.layerCount),
      "num_attention_heads": .integer(configuration.headCount),
      "num_key_value_heads": .integer(configuration.keyValueHeadCount),
      "head_dim": .integer(configuration.headSize),
      "num_local_experts": .integer(configuration.expertCount),
      "num_experts_per_tok": .integer(configuration.expertsPerToken),
      "max_position_embeddings": .integer(configuration.maximumPositions),
      "rope_theta": .number(configuration.ropeTheta),
      "rope_parameters": ["rope_theta": .number(configuration.ropeTheta), "rope_type": "default"],
      "rms_norm_eps": JSONValue(configuration.normEpsilon),
      "initializer_range": JSONValue(configuration.initializerRange),
      "router_aux_loss_coef": JSONValue(configuration.balanceLossCoefficient),
      "tie_word_embeddings": .boolean(configuration.tiesEmbeddings),
      "bos_token_id": configuration.beginningToken.map { .integer($0) } ?? .null,
      "eos_token_id": configuration.endToken.map { .integer($0) } ?? .null,
      "dtype": "float32",
      "torch_dtype": "float32",
    ]
    members.merge(fixed) { own, _ in own }
    if isInterleaved {
      members[ConfigurationKeys.expertLayerInterval] = .integer(configuration.expertLayerInterval)
    }
    if configuration.zLossCoefficient != 0 {
      members[ConfigurationKeys.zLossCoefficient] = JSONValue(configuration.zLossCoefficient)
    }
    return Array(JSONValue.object(members).indented.utf8)
  }

  private static let fixed: [String: JSONValue] = [
    "hidden_act": "silu", "attention_dropout": .number(0), "router_jitter_noise": .number(0),
    "sliding_window": .null, "output_router_logits": false, "use_cache": true,
  ]

  /// `generation_config.json`: where generation begins and ends.
  package static func generation(_ configuration: ModelConfiguration) -> [UInt8] {
    var members: [String: JSONValue] = ["_from_model_config": true, "use_cache": true]
    if let token = configuration.beginningToken { members["bos_token_id"] = .integer(token) }
    if let token = configuration.endToken { members["eos_token_id"] = .integer(token) }
    return Array(JSONValue.object(members).indented.utf8)
  }
}
