import Kernels
import Tensors

// Shapes: T tokens, D hidden, F intermediate.   x, y: [T, D]   gateUp: [T, 2F]   activated: [T, F]

/// y = (silu(x·Wgᵀ) · x·Wuᵀ)·Wdᵀ, the feed-forward of a layer without experts (SwiGLU; Shazeer 2020).
struct DenseFeedForward: Sendable {
  let gateUp: JoinedSlot
  let down: ParameterSlot

  struct Saved {
    let gateUp: Tensor
    let activated: Tensor
  }

  func forward(_ x: Tensor, into y: Tensor, _ parameters: ParameterBuffer, on runtime: ModelRuntime) -> Saved {
    let (workspace, workers) = (runtime.workspace, runtime.workers)
    let saved = Saved(
      gateUp: workspace.tensor(x.rows, gateUp.shape[0]), activated: workspace.tensor(x.rows, gateUp.shape[0] / 2))
    linear(x, weight: gateUp.matrix(in: parameters), into: saved.gateUp, workers: workers)
    swiGLU(saved.gateUp, into: saved.activated, workers: workers)
    linear(saved.activated, weight: parameters[down], into: y, workers: workers)
    return saved
  }

  /// Assigns the gradient of `x` to `dx`.
  func backward(
    _ dy: Tensor, x: Tensor, saved: Saved, _ parameters: ParameterBuffer, gradients: StepGradients,
    into dx: Tensor, on runtime: ModelRuntime
  ) {
    let (workspace, workers) = (runtime.workspace, runtime.workers)
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let dActivated = workspace.tensor(x.rows, saved.activated.columns)
    linearInputGradient(dy, weight: parameters[down], into: dActivated, accumulating: false, workers: workers)
    linearWeightGradient(
      dy, x: saved.activated, into: gradients[down], accumulating: gradients.isAccumulating, workers: workers)
    let dGateUp = workspace.tensor(x.rows, saved.gateUp.columns)
    swiGLUBackward(dActivated, gateUp: saved.gateUp, into: dGateUp, workers: workers)
    linearInputGradient(
      dGateUp, weight: gateUp.matrix(in: parameters), into: dx, accumulating: false, workers: workers)
    linearWeightGradient(
      dGateUp, x: x, into: gateUp.matrix(in: gradients.buffer), accumulating: gradients.isAccumulating, workers: workers
    )
  }
}
