import Checkpoints
import Communication
import LanguageModel
import Testing

@Suite("config.json")
struct ConfigurationTests {
  /// A complete configuration in the spelling of transformers 4.
  static let complete: [String: JSONValue] = [
    "architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "vocab_size": 128, "hidden_size": 48,
    "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
    "num_local_experts": 8, "num_experts_per_tok": 2, "max_position_embeddings": 256, "rope_theta": .number(10000),
    "rms_norm_eps": .number(1e-6), "hidden_act": "silu", "sliding_window": .null, "tie_word_embeddings": false,
  ]

  private func read(_ changes: [String: JSONValue?]) throws(CheckpointError) -> ModelConfiguration {
    let members = changes.reduce(into: Self.complete) { $0[$1.key] = $1.value }
    return try ConfigurationReader.read(Array(JSONValue.object(members).description.utf8), path: "config.json")
  }

  @Test("is read") func reading() throws {
    let configuration = try read([
      "bos_token_id": 1, "eos_token_id": [2, 3], "switchyard_z_loss_coefficient": .number(0.01),
    ])
    var expected = ModelConfiguration(
      vocabularySize: 128, hiddenSize: 48, intermediateSize: 80, layerCount: 3, headCount: 4, keyValueHeadCount: 2,
      headSize: 12, expertCount: 8, expertsPerToken: 2, maximumPositions: 256)
    expected.ropeTheta = 10000
    expected.normEpsilon = 1e-6
    expected.beginningToken = 1
    expected.endToken = 2
    expected.zLossCoefficient = 0.01
    #expect(configuration == expected)
  }

  @Test("is read as it was written", arguments: [1, 2]) func roundTrip(interval: Int) throws {
    var configuration = ModelConfiguration(
      vocabularySize: 300, hiddenSize: 40, intermediateSize: 30, layerCount: 4, headCount: 4, keyValueHeadCount: 2,
      headSize: 16, expertCount: 5, expertsPerToken: 3, maximumPositions: 77)
    configuration.ropeTheta = 12345.5
    configuration.normEpsilon = 3e-6
    configuration.initializerRange = 0.013
    configuration.tiesEmbeddings = true
    configuration.expertLayerInterval = interval
    configuration.balanceLossCoefficient = 0.017
    configuration.zLossCoefficient = 0.003
    configuration.endToken = 0
    let bytes = ConfigurationWriter.configuration(configuration)
    #expect(try ConfigurationReader.read(bytes, path: "config.json") == configuration)
  }

  @Test("has both spellings when it is ours") func spellings() throws {
    let configuration = try read([:])
    let written = try JSONReader.parse(ConfigurationWriter.configuration(configuration)).object
    #expect(written?["rope_theta"] == written?["rope_parameters"]?.object?["rope_theta"])
    #expect(written?["torch_dtype"] == written?["dtype"])
  }

  @Test("with dense layers between is not taken for Mixtral's by others") func interleaved() throws {
    var configuration = try read([:])
    configuration.expertLayerInterval = 3
    let written = try JSONReader.parse(ConfigurationWriter.configuration(configuration)).object
    #expect(written?["model_type"] != "mixtral")
  }

  static let required = [
    "model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "num_local_experts", "num_experts_per_tok", "max_position_embeddings",
  ]

  @Test("without a key that is needed is refused by its name", arguments: required) func missing(key: String) {
    let error = checkpointError { _ = try read([key: nil as JSONValue?]) }
    #expect(error?.code == .malformed)
    #expect(error?.message == "the key \(key) is missing")
  }

  @Test("with a wrong kind of value is refused by the key's name", arguments: required.dropFirst() + ["head_dim"])
  func wrongKind(key: String) {
    for value in ["many", true, .number(1.5), [1], [:]] as [JSONValue] {
      #expect(checkpointError { _ = try read([key: value]) }?.message.hasPrefix("\(key) is ") == true)
    }
  }

  /// Keys that change arithmetic, with a value that is not computed here.
  static let unsupported: [(String, JSONValue)] = [
    ("model_type", "llama"), ("model_type", 3), ("architectures", ["LlamaForCausalLM"]), ("architectures", []),
    ("hidden_act", "gelu"), ("attention_bias", true), ("mlp_bias", true), ("attention_dropout", .number(0.1)),
    ("router_jitter_noise", .number(0.01)), ("quantization_config", ["bits": 4]), ("sliding_window", 255),
    ("sliding_window", "wide"), ("partial_rotary_factor", .number(0.5)), ("norm_topk_prob", false),
    ("layer_types", ["sliding_attention"]), ("rope_scaling", ["type": "linear", "factor": 2]),
    ("rope_scaling", ["factor": 2]), ("rope_parameters", ["rope_type": "yarn", "rope_theta": 10000]),
    ("rope_parameters", ["rope_theta": 10000, "factor": 2]), ("rope_parameters", ["full_attention": ["rope_theta": 1]]),
    ("rope_parameters", "default"),
  ]

  @Test("with a key that changes arithmetic is refused by its name", arguments: unsupported)
  func refused(key: String, value: JSONValue) {
    let error = checkpointError { _ = try read([key: value]) }
    #expect(error?.code == .unsupported)
    #expect(error?.message.hasPrefix(key) == true, "\(error as Any)")
    #expect(error?.refusal.kind == .configuration)
  }

  static let harmless: [(String, JSONValue)] = [
    ("architectures", .null), ("hidden_act", .null), ("attention_bias", false), ("attention_dropout", 0),
    ("attention_dropout", .number(0)), ("router_jitter_noise", .null), ("quantization_config", .null),
    ("sliding_window", 256), ("sliding_window", 4096), ("partial_rotary_factor", 1), ("rope_scaling", .null),
    ("rope_scaling", ["type": "default"]), ("rope_parameters", ["rope_type": "default", "rope_theta": 10000]),
    ("layer_types", ["full_attention", "full_attention", "full_attention"]), ("head_dim", .null), ("head_dim", 12),
    ("use_cache", false), ("torch_dtype", "bfloat16"), ("something_new", ["a": 1]), ("auto_map", ["x": "y"]),
  ]

  @Test("with a key that changes nothing is read as without it", arguments: harmless)
  func accepted(key: String, value: JSONValue) throws {
    #expect(try read([key: value]) == read([:]))
  }

  static let impossible: [(String, JSONValue)] = [
    ("num_experts_per_tok", 9), ("num_experts_per_tok", 0), ("num_local_experts", 0), ("num_local_experts", -1),
    ("hidden_size", 50), ("hidden_size", .integer(.max)), ("vocab_size", .integer(.max)), ("num_hidden_layers", 0),
    ("num_hidden_layers", .integer(1 << 31)), ("num_hidden_layers", 100_000_000), ("num_attention_heads", 0),
    ("num_attention_heads", -4), ("num_key_value_heads", 3), ("num_key_value_heads", 0), ("head_dim", 7),
    ("head_dim", -2), ("head_dim", .integer(.max)), ("rope_theta", 0), ("rope_theta", -1), ("rms_norm_eps", 0),
    ("rms_norm_eps", .number(1e300)), ("router_aux_loss_coef", -1), ("bos_token_id", 128), ("eos_token_id", -1),
    ("max_position_embeddings", 0), ("intermediate_size", .integer(.max)), ("num_local_experts", .integer(1 << 40)),
    ("switchyard_expert_layer_interval", 0), ("switchyard_expert_layer_interval", 4),
    ("switchyard_z_loss_coefficient", -1),
  ]

  @Test("with an impossible size is refused before anything is made of it", arguments: impossible)
  func impossibleSizes(key: String, value: JSONValue) {
    let error = checkpointError { _ = try read([key: value]) }
    #expect(error?.code == .malformed, "\(error as Any)")
    #expect(error?.refusal.kind == .invalidData)
  }

  @Test("that says two things about the rotary base is refused") func contradiction() {
    let error = checkpointError { _ = try read(["rope_parameters": ["rope_theta": 5000]]) }
    #expect(error?.code == .contradiction)
    #expect(error?.message.contains("10000.0 and as 5000.0") == true)
  }

  @Test("that is no JSON object is refused", arguments: ["", "{", "[]", "3", "{\"a\":1,\"a\":2}", "\u{feff}{}"])
  func notJSON(text: String) {
    let error = checkpointError { _ = try ConfigurationReader.read(Array(text.utf8), path: "config.json") }
    #expect(error?.code == .malformed)
  }
}
