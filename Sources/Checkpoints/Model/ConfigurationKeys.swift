/// The keys of `config.json` whose values are fixed, and our own.
enum ConfigurationKeys {
  static let mixtralType = "mixtral"
  /// Mixtral with dense layers between the expert layers. transformers has no such model, so it must not take our file
  /// for one of Mixtral's and fill the missing experts with noise.
  static let interleavedType = "switchyard_mixtral"
  static let modelTypes: Set<String> = [mixtralType, interleavedType]
  static let architecture = "MixtralForCausalLM"

  static let expertLayerInterval = "switchyard_expert_layer_interval"
  static let zLossCoefficient = "switchyard_z_loss_coefficient"

  /// Keys that change arithmetic, and the one value that is computed here. Absent and null mean that value too.
  static let fixedChoices: [(key: String, accepted: JSONValue)] = [
    ("hidden_act", "silu"),
    ("attention_bias", false),
    ("mlp_bias", false),
    ("attention_dropout", 0),
    ("hidden_dropout", 0),
    ("router_jitter_noise", 0),
    ("partial_rotary_factor", 1),
    ("norm_topk_prob", true),
    ("use_qk_norm", false),
    ("is_encoder_decoder", false),
    ("add_cross_attention", false),
  ]

  /// Keys of which every value changes arithmetic.
  static let mustBeNull = ["quantization_config", "compression_config", "n_shared_experts", "attn_logit_softcapping"]
}
