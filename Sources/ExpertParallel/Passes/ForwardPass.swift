import Communication
import Kernels
import Planning
import Tensors
import Topology

/// dispatch → experts → combine:   out[t] = Σ over t's kept choices of w · expert(x[t])
final class ForwardPass: ExpertPass {
  static let pass = Pass.forward
  let plan: ExchangePlan
  let tokens: Tensor
  let computed: Tensor
  let out: Tensor
  let work: ExchangeWork
  let streams: [(stream: ParameterStream, expert: LocalExpert)]
  private let experts: ExpertFeedForward
  private let activations: ExpertActivations

  init(
    _ plan: ExchangePlan, experts: ExpertFeedForward, activations: ExpertActivations, x: Tensor, into out: Tensor,
    streams: [(stream: ParameterStream, expert: LocalExpert)], workspace: Workspace
  ) {
    self.plan = plan
    self.experts = experts
    self.activations = activations
    tokens = x
    self.out = out
    computed = workspace.tensor(plan.received.paddedRowCount, x.columns)
    self.streams = streams
    work = plan.forwardWork(streams: streams.prefix(plan.dispatch.shadows.count).map(\.expert))
    placeWeights()
  }

  var arrived: Tensor { activations.x }
  var sumWeights: Tensor? { activations.weights }

  func compute(_ task: RowTask, _ lane: Lane) { experts.forward(task, activations, into: computed, lane) }
  func finalize(_ task: Int, _ lane: Lane) {}
  func packGates(of source: Int, into message: Tensor) {}
  func placeGates(of peer: Int, _ gradients: Tensor) {}

  /// Writes the gate weight of every row; padding gets none.
  private func placeWeights() {
    activations.weights.fill(0)
    for (assignments, places) in zip(plan.received.assignments, plan.received.positions) {
      for (assignment, place) in zip(assignments, places) { activations.weights[Int(place), 0] = assignment.weight }
    }
  }
}
