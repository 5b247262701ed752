import LanguageModel
import Tensors
import Testing

struct ModelLayoutTests {
  static func configuration(interval: Int = 1, tied: Bool = false) -> ModelConfiguration {
    var configuration = ModelConfiguration(
      vocabularySize: 11, hiddenSize: 6, intermediateSize: 5, layerCount: 3, headCount: 3, keyValueHeadCount: 1,
      headSize: 4, expertCount: 4, expertsPerToken: 2, maximumPositions: 16)
    configuration.expertLayerInterval = interval
    configuration.tiesEmbeddings = tied
    return configuration
  }

  @Test("parameters of a layer have Hugging Face's names and shapes, replicated ones first")
  func names() {
    let layout = ModelLayout.make(Self.configuration(interval: 3), hostedExperts: 1..<3)
    #expect(
      layout.slots.map { "\($0.name) \($0.shape)" } == [
        "model.embed_tokens.weight [11, 6]",
        "model.layers.0.input_layernorm.weight [6]",
        "model.layers.0.self_attn.q_proj.weight [12, 6]",
        "model.layers.0.self_attn.k_proj.weight [4, 6]",
        "model.layers.0.self_attn.v_proj.weight [4, 6]",
        "model.layers.0.self_attn.o_proj.weight [6, 12]",
        "model.layers.0.post_attention_layernorm.weight [6]",
        "model.layers.0.mlp.gate_proj.weight [5, 6]",
        "model.layers.0.mlp.up_proj.weight [5, 6]",
        "model.layers.0.mlp.down_proj.weight [6, 5]",
        "model.layers.1.input_layernorm.weight [6]",
        "model.layers.1.self_attn.q_proj.weight [12, 6]",
        "model.layers.1.self_attn.k_proj.weight [4, 6]",
        "model.layers.1.self_attn.v_proj.weight [4, 6]",
        "model.layers.1.self_attn.o_proj.weight [6, 12]",
        "model.layers.1.post_attention_layernorm.weight [6]",
        "model.layers.1.mlp.gate_proj.weight [5, 6]",
        "model.layers.1.mlp.up_proj.weight [5, 6]",
        "model.layers.1.mlp.down_proj.weight [6, 5]",
        "model.layers.2.input_layernorm.weight [6]",
        "model.layers.2.self_attn.q_proj.weight [12, 6]",
        "model.layers.2.self_attn.k_proj.weight [4, 6]",
        "model.layers.2.self_attn.v_proj.weight [4, 6]",
        "model.layers.2.self_attn.o_proj.weight [6, 12]",
        "model.layers.2.post_attention_layernorm.weight [6]",
        "model.layers.2.block_sparse_moe.gate.weight [4, 6]",
        "model.norm.weight [6]",
        "lm_head.weight [11, 6]",
        "model.layers.2.block_sparse_moe.experts.1.w1.weight [5, 6]",
        "model.layers.2.block_sparse_moe.experts.1.w3.weight [5, 6]",
        "model.layers.2.block_sparse_moe.experts.1.w2.weight [6, 5]",
        "model.layers.2.block_sparse_moe.experts.2.w1.weight [5, 6]",
        "model.layers.2.block_sparse_moe.experts.2.w3.weight [5, 6]",
        "model.layers.2.block_sparse_moe.experts.2.w2.weight [6, 5]",
      ])
    #expect(
      layout.replicatedCount == layout.slot("model.layers.2.block_sparse_moe.experts.1.w1.weight").range.lowerBound)
  }

  @Test("replicated parameters lie at the same place whatever experts a rank hosts")
  func replicatedPlaces() {
    let one = ModelLayout.make(Self.configuration(), hostedExperts: 0..<4)
    let other = ModelLayout.make(Self.configuration(), hostedExperts: 3..<3)
    #expect(one.replicatedCount == other.replicatedCount && other.count == other.replicatedCount)
    for slot in other.slots { #expect(one.slot(slot.name) == slot) }
  }

  @Test("a tied output head has no parameters of its own")
  func tied() {
    #expect(!ModelLayout.whole(Self.configuration(tied: true)).contains("lm_head.weight"))
  }

  @Test("counts agree with the layout", arguments: [1, 2, 3], [false, true])
  func counts(interval: Int, tied: Bool) throws {
    let configuration = Self.configuration(interval: interval, tied: tied)
    let count = try #require(ParameterCount(configuration))
    let whole = ModelLayout.whole(configuration)
    #expect(count.total == whole.slots.reduce(0) { $0 + $1.shape.elementCount })
    let active = ModelLayout.make(configuration, hostedExperts: 0..<configuration.expertsPerToken)
    #expect(count.active == active.slots.reduce(0) { $0 + $1.shape.elementCount })
  }

  @Test("Mixtral 8×7B has 46.7 billion parameters, 12.9 billion of them active")
  func mixtral() throws {
    let configuration = ModelConfiguration(
      vocabularySize: 32000, hiddenSize: 4096, intermediateSize: 14336, layerCount: 32, headCount: 32,
      keyValueHeadCount: 8, expertCount: 8, expertsPerToken: 2, maximumPositions: 32768)
    let count = try #require(ParameterCount(configuration))
    #expect(count.total == 46_702_792_704)
    #expect(count.active == 12_879_925_248)
  }

  @Test("the presets are valid and of the size they are named for")
  func presets() throws {
    let totals = try ModelConfiguration.Preset.allCases.map { preset in
      try preset.configuration.validate()
      return try #require(ParameterCount(preset.configuration)).total
    }
    #expect(totals.map { $0 / 100_000 } == [38, 304, 1237])
  }
}
