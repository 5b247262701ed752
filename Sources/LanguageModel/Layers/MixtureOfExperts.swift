import Communication
import ExpertParallel
import Kernels
import Planning
import Routing
import Tensors

// Shapes: T tokens, D hidden, K experts per token.   x, y: [T, D]

/// y = Σ_j gateWeight_j · expert_j(x) over the K experts that the router chose for a token.
///
/// Experts live on the ranks of the expert-parallel group; all of them call this together.
struct MixtureOfExperts: Sendable {
  let router: TopKRouter
  let routerWeight: ParameterSlot
  /// The experts that this rank hosts, slot after slot.
  let hosted: [Expert]

  /// Where one expert's parameters lie.
  struct Expert: Sendable {
    let gateUp: JoinedSlot
    let down: ParameterSlot

    func matrices(in buffer: ParameterBuffer) -> ExpertWeights {
      ExpertWeights(input: gateUp.matrix(in: buffer), output: buffer[down])
    }
  }

  struct Saved {
    let routing: TopKRouter.Saved
    let experts: ExpertLayerSaved
  }

  init(_ configuration: ModelConfiguration, layout: ParameterLayout, names: ParameterNames.Layer) {
    router = TopKRouter(expertCount: configuration.expertCount, expertsPerToken: configuration.expertsPerToken)
    routerWeight = layout.slot(names.router)
    hosted = (0..<configuration.expertCount).map(names.expert).filter { layout.contains($0.down) }.map { names in
      Expert(
        gateUp: JoinedSlot(layout, from: names.gate, through: names.up, columns: configuration.hiddenSize),
        down: layout.slot(names.down))
    }.sorted { $0.down.range.lowerBound < $1.down.range.lowerBound }
  }

  /// The elements of a parameter buffer that hold the hosted experts.
  var range: Range<Int>? {
    guard let first = hosted.first, let last = hosted.last else { return nil }
    return first.gateUp.range.lowerBound..<last.down.range.upperBound
  }

  func forward(
    _ x: Tensor, limits: RoutingLimits, into y: Tensor, _ parameters: ParameterBuffer, on runtime: ModelRuntime
  ) throws(CommunicationError) -> Saved {
    let routing = router.limited(by: limits.topology).forward(
      x, weight: parameters[routerWeight], capacity: limits.capacity, sequenceLength: limits.sequenceLength,
      workspace: runtime.workspace, workers: runtime.workers)
    let experts = try runtime.experts.forward(
      x, routing.decision, experts: hosted.map { $0.matrices(in: parameters) }, activation: .swiGLU,
      tokenLimit: limits.tokenLimit, into: y)
    return Saved(routing: routing, experts: experts)
  }

  /// Assigns the gradient of `x` to `dx`.
  func backward(
    _ dy: Tensor, x: Tensor, saved: Saved, lossGradient: RouterLossGradient, _ parameters: ParameterBuffer,
    gradients: StepGradients, into dx: Tensor, on runtime: ModelRuntime
  ) throws(CommunicationError) {
    let workspace = runtime.workspace
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let dGateWeights = workspace.tensor(x.rows, router.expertsPerToken)
    try runtime.experts.backward(
      dy, saved: saved.experts, experts: hosted.map { $0.matrices(in: parameters) }, activation: .swiGLU,
      gradients: hosted.map { $0.matrices(in: gradients.buffer) }, accumulating: gradients.isAccumulating, into: dx,
      dGateWeights: dGateWeights)
    router.backward(
      dGateWeights, x: x, weight: parameters[routerWeight], saved: saved.routing, lossGradient: lossGradient,
      accumulatingInto: dx, accumulatingWeight: gradients.cleared(routerWeight), workspace: workspace,
      workers: runtime.workers)
  }
}
