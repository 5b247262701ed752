import Communication
import Kernels
import Planning
import Tensors
import Topology

/// The forward pass upside down, under the same plan: the backward of combine is a dispatch of `dOut`, the backward of
/// dispatch a combine of `dx`. The gradients of the gate weights return behind the rows.
final class BackwardPass: ExpertPass {
  static let pass = Pass.backward
  let plan: ExchangePlan
  let tokens: Tensor
  let work: ExchangeWork
  let streams: [(stream: ParameterStream, expert: LocalExpert)]
  private let experts: ExpertFeedForward
  private let activations: ExpertActivations
  private let rows: ExpertGradientRows
  private let target: Target

  /// Where the gradients go.
  struct Target {
    /// Of the hosted experts, then of the shadows.
    let weights: [ExpertWeights]
    let hostedCount: Int
    /// Whether gradients of hosted experts are added to what is there. Those of shadows never are.
    let isAccumulating: Bool
    /// [T, D]
    let input: Tensor
    /// [T, K]
    let gateWeights: Tensor
  }

  init(
    _ plan: ExchangePlan, experts: ExpertFeedForward, activations: ExpertActivations, outputGradient: Tensor,
    target: Target, streams: [(stream: ParameterStream, expert: LocalExpert)], workspace: Workspace
  ) {
    self.plan = plan
    self.experts = experts
    self.activations = activations
    tokens = outputGradient
    self.target = target
    self.streams = streams
    let (count, width) = (plan.received.paddedRowCount, outputGradient.columns)
    rows = ExpertGradientRows(
      g: workspace.tensor(count, width), dh: workspace.tensor(count, activations.h.columns),
      weightedA: workspace.tensor(count, experts.experts.first?.intermediateSize ?? 0),
      dWeights: workspace.tensor(count, 1), dx: workspace.tensor(count, width))
    work = plan.backwardWork(
      finalExperts: experts.weightTasks.map { LocalExpert($0.expert) }, travelling: streams.map(\.expert))
    target.gateWeights.fill(0)
  }

  var arrived: Tensor { rows.g }
  var computed: Tensor { rows.dx }
  var sumWeights: Tensor? { nil }
  var out: Tensor { target.input }

  func compute(_ task: RowTask, _ lane: Lane) { experts.inputGradient(task, activations, rows, lane) }

  func finalize(_ task: Int, _ lane: Lane) {
    let weightTask = experts.weightTasks[task]
    experts.weightGradient(
      weightTask, activations, rows, into: target.weights,
      accumulating: target.isAccumulating && weightTask.expert < target.hostedCount, lane)
  }

  func packGates(of source: Int, into message: Tensor) {
    for (index, place) in plan.received.positions[source].enumerated() {
      message[index, 0] = rows.dWeights[Int(place), 0]
    }
  }

  func placeGates(of peer: Int, _ gradients: Tensor) {
    let assignments = plan.dispatch.assignments[plan.dispatch.assignments(of: Rank(peer))]
    for (index, assignment) in assignments.enumerated() {
      target.gateWeights.buffer[Int(assignment.index)] = gradients[index, 0]
    }
  }
}
