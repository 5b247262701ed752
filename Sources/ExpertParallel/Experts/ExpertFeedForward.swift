import Kernels
import Planning
import Tensors
import Topology

// R rows in expert-major order with padding, D hidden, F intermediate; J is 2F for SwiGLU, F for GELU.
// x, y, g, dx: [R, D]   h, dh: [R, J]   a: [R, F]   w: [R, 1]
//
//   forward    h = x·Wiᵀ      a = act(h)      y = a·Woᵀ                       (unweighted: the sum at the end weighs)
//   backward   given g, the gradient of the weighted sum for each row:
//              da = g·Wo      dw = ⟨a, da⟩    dh = act′(h)(w·da)    dx = dh·Wi
//              dWo = gᵀ·(w·a)                 dWi = dhᵀ·x
//
// ⟨a, g·Wo⟩ = ⟨a·Woᵀ, g⟩, so the gradient of a gate weight needs no expert output, and none is saved.

/// What the experts' forward pass leaves for their backward pass.
package struct ExpertActivations: Sendable {
  let x: Tensor
  let h: Tensor
  let weights: Tensor
}

/// The experts of one layer that one rank computes, over ragged groups of rows.
///
/// A task is a block of one expert's rows, or, for weight gradients, a block of rows of one matrix over all of the
/// expert's tokens: the order of that sum is the batch's, whatever the threads and messages did.
struct ExpertFeedForward {
  let activation: ExpertActivation
  let experts: [ExpertWeights]
  let plan: ReceivePlan
  let weightTasks: [WeightTask]

  /// A block of rows of one matrix's gradient.
  struct WeightTask {
    let expert: Int
    let isInput: Bool
    let rows: Range<Int>
  }

  /// Rows of a matrix's gradient that are computed at once.
  private static let largestBlock = 640

  init(_ activation: ExpertActivation, _ experts: [ExpertWeights], plan: ReceivePlan) {
    precondition(experts.count == plan.expertCount, "\(experts.count) experts for \(plan.expertCount) groups")
    self.activation = activation
    self.experts = experts
    self.plan = plan
    weightTasks = experts.indices.flatMap { expert in
      [true, false].flatMap { isInput in
        let blocks = RowBlocks(
          rowCount: isInput ? experts[expert].input.rows : experts[expert].output.rows, largest: Self.largestBlock)
        return (0..<blocks.count).map { WeightTask(expert: expert, isInput: isInput, rows: blocks[$0]) }
      }
    }
  }

  func forward(_ task: RowTask, _ activations: ExpertActivations, into y: Tensor, _ lane: Lane) {
    let weights = experts[task.expert.index]
    let h = activations.h[rows: task.rows]
    let a = lane.scratchTensor(task.rows.count, weights.intermediateSize)
    lane.multiply(Matrix(activations.x[rows: task.rows]), Matrix(weights.input).transposed, into: Matrix(h))
    lane.poke()
    switch activation {
    case .swiGLU: swiGLURows(h, into: a, rows: 0..<task.rows.count)
    case .gelu: geluRows(h, into: a, rows: 0..<task.rows.count)
    }
    lane.multiply(Matrix(a), Matrix(weights.output).transposed, into: Matrix(y[rows: task.rows]))
  }
}

/// What the experts' backward pass computes with; all in expert-major order.
struct ExpertGradientRows {
  /// The gradient of each row's weighted result. [R, D]
  let g: Tensor
  /// [R, J]
  let dh: Tensor
  /// w · a [R, F]
  let weightedA: Tensor
  /// The gradient of each row's weight. [R, 1]
  let dWeights: Tensor
  /// [R, D]
  let dx: Tensor
}

extension ExpertFeedForward {
  func inputGradient(
    _ task: RowTask, _ activations: ExpertActivations, _ gradients: ExpertGradientRows, _ lane: Lane
  ) {
    let weights = experts[task.expert.index]
    let rows = task.rows
    let da = lane.scratchTensor(rows.count, weights.intermediateSize)
    let dh = gradients.dh[rows: rows]
    lane.multiply(Matrix(gradients.g[rows: rows]), Matrix(weights.output), into: Matrix(da))
    lane.poke()
    switch activation {
    case .swiGLU:
      swiGLUExpertBackwardRows(
        da, gateUp: activations.h[rows: rows], rowWeights: activations.weights[rows: rows], into: dh,
        weightedA: gradients.weightedA[rows: rows], rowGradients: gradients.dWeights[rows: rows], rows: 0..<rows.count)
    case .gelu:
      geluExpertBackwardRows(
        da, h: activations.h[rows: rows], rowWeights: activations.weights[rows: rows], into: dh,
        weightedA: gradients.weightedA[rows: rows], rowGradients: gradients.dWeights[rows: rows], rows: 0..<rows.count)
    }
    lane.multiply(Matrix(dh), Matrix(weights.input), into: Matrix(gradients.dx[rows: rows]))
  }

  func weightGradient(
    _ task: WeightTask, _ activations: ExpertActivations, _ gradients: ExpertGradientRows,
    into result: [ExpertWeights], accumulating: Bool, _ lane: Lane
  ) {
    let group = plan.paddedGroup(LocalExpert(task.expert))
    let (left, right, target) =
      task.isInput
      ? (gradients.dh, activations.x, result[task.expert].input)
      : (gradients.g, gradients.weightedA, result[task.expert].output)
    lane.multiply(
      Matrix(left[rows: group]).transposed.rows(task.rows), Matrix(right[rows: group]),
      into: Matrix(target).rows(task.rows), accumulating: accumulating)
  }
}
