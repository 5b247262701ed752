import ExpertParallel
import Kernels
package import Tensors

/// A place where values have become infinite, or no numbers.
package struct NumberFault: Codable, Hashable, Sendable {
  /// Passes come to places of a lower number first: what is wrong there spoils what lies behind.
  package let order: Int
  /// The place's name.
  package let place: String
  /// Whether it is of one rank alone: its experts, or its tokens.
  package let isOfOneRank: Bool

}

extension MoETransformer {
  private static let placesOfALayer = 3

  /// The first place of a forward pass, as far as this rank took part in it.
  package func firstFault(in saved: borrowing Saved, on runtime: ModelRuntime) -> NumberFault? {
    if let first = saved.blocks.first, !areFinite(first.x.buffer) { return fault(0, "the embedding") }
    for (index, block) in blocks.enumerated() {
      let (input, first) = (saved.blocks[index], 1 + index * Self.placesOfALayer)
      let layer = block.layer
      if !areFinite(input.saved.feedForwardInput.buffer) { return fault(first, "layer \(layer), attention") }
      if case .experts(let saved) = input.saved.feedForward,
        let expert = runtime.experts.firstFaultyExpert(in: saved.experts, layer: layer)
      {
        return fault(first + 1, "layer \(layer), expert \(expert)")
      }
      let output = index + 1 < blocks.count ? saved.blocks[index + 1].x : saved.output
      if !areFinite(output.buffer) { return fault(first + 2, "layer \(layer), feed-forward") }
    }
    if saved.crossEntropy.lossSum.isFinite { return nil }
    return fault(1 + blocks.count * Self.placesOfALayer, "the output head")
  }

  private func fault(_ order: Int, _ place: String) -> NumberFault {
    NumberFault(order: order, place: place, isOfOneRank: true)
  }

  /// The tensor whose gradient a backward pass spoilt first.
  package func firstFault(inGradients gradients: ParameterBuffer) -> NumberFault? {
    let replicated = gradients.layout.slots.filter(gradients.layout.isReplicated)
    func slots(_ range: Range<Int>) -> [ParameterSlot] {
      gradients.layout.slots.filter { range.contains($0.range.lowerBound) }
    }
    let behind = replicated.filter { $0.range.lowerBound >= headRange.lowerBound }
    let layers = blocks.reversed().flatMap { slots($0.feedForward.expertRange ?? 0..<0) + slots($0.replicatedRange) }
    let order = behind + layers + slots(0..<(blocks.first?.replicatedRange ?? headRange).lowerBound)
    guard let first = order.firstIndex(where: { !areFinite(gradients.values[$0.range]) }) else { return nil }
    return NumberFault(
      order: first, place: "the gradient of \(order[first].name)",
      isOfOneRank: !gradients.layout.isReplicated(order[first]))
  }

  /// Gives the memory of a forward pass back that no backward pass is going to follow.
  package func discard(_ saved: consuming Saved, on runtime: ModelRuntime) {
    runtime.workspace.release(to: saved.start)
  }
}
