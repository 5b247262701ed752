import Kernels
import Tensors

// Shapes: T tokens, D hidden.   x, y, dx, dy: [T, D]

/// y = x / √(mean(x²) + ε) · scale
///
/// Zhang, Sennrich: Root mean square layer normalization (2019).
struct RootMeanSquareNorm: Sendable {
  let scale: ParameterSlot
  let epsilon: Float

  /// One factor for each token. [T, 1]
  struct Saved { let inverseRMS: Tensor }

  func forward(_ x: Tensor, into y: Tensor, _ parameters: ParameterBuffer, on runtime: ModelRuntime) -> Saved {
    let saved = Saved(inverseRMS: runtime.workspace.tensor(x.rows, 1))
    rmsNorm(
      x, scale: parameters[scale], epsilon: epsilon, into: y, inverseRMS: saved.inverseRMS, workers: runtime.workers)
    return saved
  }

  func backward(
    _ dy: Tensor, x: Tensor, saved: Saved, _ parameters: ParameterBuffer, gradients: StepGradients,
    accumulatingInto dx: Tensor, on runtime: ModelRuntime
  ) {
    rmsNormBackward(
      dy, x: x, scale: parameters[scale], inverseRMS: saved.inverseRMS, accumulatingInto: dx,
      accumulatingScale: gradients.cleared(scale), workspace: runtime.workspace, workers: runtime.workers)
  }
}
