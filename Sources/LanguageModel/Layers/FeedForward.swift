import Communication
import Routing
import Tensors

/// What follows attention in a block: one dense network, or a mixture of experts. y and x: [T, D]
enum FeedForward: Sendable {
  case dense(DenseFeedForward)
  case experts(MixtureOfExperts)

  enum Saved {
    case dense(DenseFeedForward.Saved)
    case experts(MixtureOfExperts.Saved)

    /// How the tokens were routed, if there was a choice.
    var routing: TopKRouter.Saved? {
      switch self {
      case .dense: nil
      case .experts(let saved): saved.routing
      }
    }
  }

  init(_ configuration: ModelConfiguration, layout: ParameterLayout, layer: Int) {
    let names = ParameterNames.layer(layer)
    if configuration.hasExperts(layer: layer) {
      self = .experts(MixtureOfExperts(configuration, layout: layout, names: names))
    } else {
      self = .dense(
        DenseFeedForward(
          gateUp: JoinedSlot(
            layout, from: names.denseGate, through: names.denseUp, columns: configuration.hiddenSize),
          down: layout.slot(names.denseDown)))
    }
  }

  var hasExperts: Bool {
    if case .experts = self { true } else { false }
  }

  /// The elements of a parameter buffer that hold this rank's experts.
  var expertRange: Range<Int>? {
    switch self {
    case .dense: nil
    case .experts(let mixture): mixture.range
    }
  }

  func forward(
    _ x: Tensor, limits: RoutingLimits, into y: Tensor, _ parameters: ParameterBuffer, on runtime: ModelRuntime
  ) throws(CommunicationError) -> Saved {
    switch self {
    case .dense(let network):
      return .dense(network.forward(x, into: y, parameters, on: runtime))
    case .experts(let mixture):
      return try .experts(
        mixture.forward(
          x, limits: limits, into: y, parameters, on: runtime))
    }
  }

  /// Assigns the gradient of `x` to `dx`.
  func backward(
    _ dy: Tensor, x: Tensor, saved: Saved, lossGradient: RouterLossGradient, _ parameters: ParameterBuffer,
    gradients: StepGradients, into dx: Tensor, on runtime: ModelRuntime
  ) throws(CommunicationError) {
    switch (self, saved) {
    case (.dense(let network), .dense(let saved)):
      network.backward(dy, x: x, saved: saved, parameters, gradients: gradients, into: dx, on: runtime)
    case (.experts(let mixture), .experts(let saved)):
      try mixture.backward(
        dy, x: x, saved: saved, lossGradient: lossGradient, parameters, gradients: gradients, into: dx, on: runtime)
    case (.dense, .experts), (.experts, .dense):
      preconditionFailure("the state of another kind of feed-forward")
    }
  }
}
