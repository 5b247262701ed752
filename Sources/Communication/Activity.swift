/// What a rank is doing, for the messages of errors: errors, traces and fault tests share these names.
package struct Activity: Hashable, Sendable, CustomStringConvertible {
  package enum Phase: String, Sendable {
    case start, load, forward, dispatch, experts, combine, loss, backward, reduce, optimize, replace
    case evaluate, generate, save, end
  }

  package var phase: Phase
  package var step: Int?
  package var layer: Int?

  package init(_ phase: Phase, step: Int? = nil, layer: Int? = nil) {
    self.phase = phase
    self.step = step
    self.layer = layer
  }

  package var description: String {
    ([phase.rawValue] + [step.map { "step \($0)" }, layer.map { "layer \($0)" }].compactMap(\.self)).joined(
      separator: ", ")
  }
}
