/// The names of parameters, those of Hugging Face's Mixtral.
package enum ParameterNames {
  package static let embedding = "model.embed_tokens.weight"
  package static let finalNorm = "model.norm.weight"
  package static let outputHead = "lm_head.weight"

  package static func layer(_ layer: Int) -> Layer { Layer(prefix: "model.layers.\(layer).") }

  /// The parameters of one decoder layer.
  package struct Layer: Hashable, Sendable {
    let prefix: String

    package var inputNorm: String { prefix + "input_layernorm.weight" }
    package var query: String { prefix + "self_attn.q_proj.weight" }
    package var key: String { prefix + "self_attn.k_proj.weight" }
    package var value: String { prefix + "self_attn.v_proj.weight" }
    package var attentionOutput: String { prefix + "self_attn.o_proj.weight" }
    package var feedForwardNorm: String { prefix + "post_attention_layernorm.weight" }
    package var router: String { prefix + "block_sparse_moe.gate.weight" }
    package var denseGate: String { prefix + "mlp.gate_proj.weight" }
    package var denseUp: String { prefix + "mlp.up_proj.weight" }
    package var denseDown: String { prefix + "mlp.down_proj.weight" }

    package func expert(_ expert: Int) -> Expert { Expert(prefix: prefix + "block_sparse_moe.experts.\(expert).") }
  }

  /// The parameters of one expert, `down(silu(gate(x)) · up(x))`.
  package struct Expert: Hashable, Sendable {
    let prefix: String

    package var gate: String { prefix + "w1.weight" }
    package var down: String { prefix + "w2.weight" }
    package var up: String { prefix + "w3.weight" }
  }
}
