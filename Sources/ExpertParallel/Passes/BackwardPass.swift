import Communication
import Kernels
import Planning
import Tensors
import Topology

/// The forward pass upside down, under the same plan: the backward of combine is a dispatch of `dOut`, the backward of
/// dispatch a combine of `dx`. The gradients of the gate weights return beside the rows.
struct BackwardPass: ExpertPass {
  let arriving: RowExchange
  let returning: [RowExchange]
  private let runtime: ExpertRuntime
  private let plan: DispatchPlan
  private let received: ReceivePlan
  private let experts: ExpertFeedForward
  private let activations: ExpertActivations
  private let rows: ExpertGradientRows
  private let outputGradient: Tensor
  private let target: Target

  /// Where the gradients go.
  struct Target {
    let weights: [ExpertWeights]
    let isAccumulating: Bool
    /// [T, D]
    let input: Tensor
    /// [T, K]
    let gateWeights: Tensor
  }

  init(
    _ runtime: ExpertRuntime, plan: DispatchPlan, experts: ExpertFeedForward, activations: ExpertActivations,
    outputGradient: Tensor, target: Target, sequence: Int32
  ) throws(CommunicationError) {
    self.runtime = runtime
    self.plan = plan
    self.experts = experts
    self.activations = activations
    self.outputGradient = outputGradient
    self.target = target
    received = experts.plan
    let (count, width, workspace) = (received.paddedRowCount, outputGradient.columns, runtime.workspace)
    let intermediateSize = experts.experts.first?.intermediateSize ?? 0
    rows = ExpertGradientRows(
      g: workspace.tensor(count, width), dh: workspace.tensor(count, activations.h.columns),
      weightedA: workspace.tensor(count, intermediateSize), dWeights: workspace.tensor(count, 1),
      dx: workspace.tensor(count, width))
    arriving = try runtime.exchange(.rows, sequence, counts: received.rowCounts, width: width)
    let assignmentCounts = plan.placement.ranks.map { plan.assignments(of: $0).count }
    returning = [
      try runtime.exchange(.results, sequence, counts: plan.returnRowCounts, width: width),
      try runtime.exchange(.gateGradients, sequence, counts: assignmentCounts, width: 1),
    ]
  }

  /// First all input gradients, whose results must still travel; then the weights' gradients.
  static func stages(_ experts: ExpertFeedForward) -> [Range<Int>] {
    let inputs = experts.rowTasks.count
    return [0..<inputs, inputs..<inputs + experts.weightTasks.count]
  }

  func begin() throws(CommunicationError) {
    try runtime.sendRows(of: outputGradient, plan, through: arriving)
    received.clearPadding(of: rows.g)
    runtime.placeOwnRows(of: outputGradient, plan, received, in: rows.g)
  }

  func unpack(_ source: Int) {
    runtime.place(arriving.received[source], of: source, received, in: rows.g)
  }

  func compute(_ tasks: Range<Int>) {
    let inputCount = experts.rowTasks.count
    let weightTasks = experts.weightTasks
    runtime.workers.run(tasks.count) { index, lane in
      let task = tasks.lowerBound + index
      if task < inputCount {
        experts.inputGradient(experts.rowTasks[task], activations, rows, lane)
      } else {
        experts.weightGradient(
          weightTasks[task - inputCount], activations, rows, into: target.weights,
          accumulating: target.isAccumulating, lane)
      }
    }
  }

  func sendResults(to source: Int) throws(CommunicationError) {
    try runtime.sendSums(of: rows.dx, weights: nil, received, to: source, through: returning[0])
    let places = received.positions[source]
    let gradients = runtime.workspace.tensor(places.count, 1)
    for (index, place) in places.enumerated() { gradients[index, 0] = rows.dWeights[Int(place), 0] }
    try returning[1].send(gradients, to: source)
  }

  func finish() {
    runtime.sumParts(of: plan, received, own: rows.dx, weights: nil, returned: returning[0], into: target.input)
    let gate = target.gateWeights.buffer
    gate.fill(0)
    for peer in plan.placement.ranks {
      let isOwn = peer == plan.rank
      for (index, assignment) in plan.assignments[plan.assignments(of: peer)].enumerated() {
        gate[Int(assignment.index)] =
          isOwn
          ? rows.dWeights[Int(received.positions[peer.index][index]), 0]
          : returning[1].received[peer.index][index, 0]
      }
    }
  }
}
