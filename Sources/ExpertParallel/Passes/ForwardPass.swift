import Communication
import Kernels
import Planning
import Tensors
import Topology

/// dispatch → experts → combine:   out[t] = Σ over t's kept choices of w · expert(x[t])
struct ForwardPass: ExpertPass {
  let arriving: RowExchange
  let returning: [RowExchange]
  private let runtime: ExpertRuntime
  private let plan: DispatchPlan
  private let received: ReceivePlan
  private let experts: ExpertFeedForward
  private let activations: ExpertActivations
  private let input: Tensor
  private let output: Tensor
  private let y: Tensor

  init(
    _ runtime: ExpertRuntime, plan: DispatchPlan, experts: ExpertFeedForward, activations: ExpertActivations,
    input: Tensor, output: Tensor, sequence: Int32
  ) throws(CommunicationError) {
    self.runtime = runtime
    self.plan = plan
    self.experts = experts
    self.activations = activations
    self.input = input
    self.output = output
    received = experts.plan
    y = runtime.workspace.tensor(received.paddedRowCount, input.columns)
    arriving = try runtime.exchange(.rows, sequence, counts: received.rowCounts, width: input.columns)
    returning = [try runtime.exchange(.results, sequence, counts: plan.returnRowCounts, width: input.columns)]
  }

  func begin() throws(CommunicationError) {
    try runtime.sendRows(of: input, plan, through: arriving)
    received.clearPadding(of: activations.x)
    received.placeWeights(in: activations.weights)
    runtime.placeOwnRows(of: input, plan, received, in: activations.x)
  }

  func unpack(_ source: Int) {
    runtime.place(arriving.received[source], of: source, received, in: activations.x)
  }

  func compute(_ tasks: Range<Int>) {
    runtime.workers.run(tasks.count) { task, lane in
      experts.forward(experts.rowTasks[tasks.lowerBound + task], activations, into: y, lane)
    }
  }

  func sendResults(to source: Int) throws(CommunicationError) {
    try runtime.sendSums(of: y, weights: activations.weights, received, to: source, through: returning[0])
  }

  func finish() {
    runtime.sumParts(of: plan, received, own: y, weights: activations.weights, returned: returning[0], into: output)
  }
}
