package import Tensors

/// The form of an expert's feed-forward network.
package enum ExpertActivation: Hashable, Sendable {
  /// down · (silu(gate · x) ∘ (up · x)), the gate and up matrices one above the other (Mixtral).
  case swiGLU
  /// down · gelu(up · x), the exact form with erf (GShard, Switch).
  case gelu

  /// Rows of the first matrix per intermediate unit.
  package var inputMatrixCount: Int { self == .swiGLU ? 2 : 1 }
}

/// The matrices of one expert, or their gradients.
package struct ExpertWeights: Sendable {
  /// gate above up [2F, D] for SwiGLU, up [F, D] for GELU.
  package let input: Tensor
  /// down [D, F]
  package let output: Tensor

  package init(input: Tensor, output: Tensor) {
    precondition(
      input.columns == output.rows && input.rows % max(output.columns, 1) == 0,
      "input \(input.shape) with output \(output.shape)")
    self.input = input
    self.output = output
  }

  package var hiddenSize: Int { output.rows }
  package var intermediateSize: Int { output.columns }
}
