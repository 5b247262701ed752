package import Tensors

/// Where a micro-batch's gradients go: the first of a step writes them, the later ones add.
///
/// Writing is faster than zeroing and adding (docs/decisions/0007): a step that ends with every gradient final began with
/// none of them cleared. What a step does not write, the padding of the layout, stays zero.
package struct StepGradients: Sendable {
  package let buffer: ParameterBuffer
  /// Whether an earlier micro-batch of the step has written.
  package let isAccumulating: Bool

  package init(_ buffer: ParameterBuffer, isAccumulating: Bool) {
    self.buffer = buffer
    self.isAccumulating = isAccumulating
  }

  /// A gradient that is written or added to as `isAccumulating` says.
  subscript(slot: ParameterSlot) -> Tensor { buffer[slot] }

  /// A small gradient that is only ever added to: cleared here in the first micro-batch.
  func cleared(_ slot: ParameterSlot) -> Tensor {
    let gradient = buffer[slot]
    if !isAccumulating { gradient.fill(0) }
    return gradient
  }
}
