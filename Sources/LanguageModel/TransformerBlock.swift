import Communication
import Kernels
import Planning
import Routing
import Tensors

/// One decoder layer: h = x + attention(norm(x)), output = h + feedForward(norm(h)).
///
/// Norms, attention and feed-forward are each one described choice; another architecture makes other choices here.
struct TransformerBlock: Sendable {
  let attentionNorm: RootMeanSquareNorm
  let attention: SelfAttention
  let feedForwardNorm: RootMeanSquareNorm
  let feedForward: FeedForward
  /// Its place in the model, for messages.
  let layer: Int
  /// The elements of a parameter buffer that hold its replicated parameters, padding included.
  let replicatedRange: Range<Int>

  /// What backward needs beside the block's input. All [T, D] but what the layers keep for themselves.
  struct Saved {
    let attentionNorm: RootMeanSquareNorm.Saved
    let attentionInput: Tensor
    let attention: SelfAttention.Saved
    let attended: Tensor
    let feedForwardNorm: RootMeanSquareNorm.Saved
    let feedForwardInput: Tensor
    let feedForward: FeedForward.Saved
  }

  func forward(
    _ x: Tensor, batch: TokenBatch, capacity: CapacityPolicy, into output: Tensor, _ parameters: ParameterBuffer,
    on runtime: ModelRuntime
  ) throws(CommunicationError) -> Saved {
    runtime.enter(.forward, layer: layer)
    let (workspace, workers) = (runtime.workspace, runtime.workers)
    let attentionInput = workspace.tensor(x.rows, x.columns)
    let normed = attentionNorm.forward(x, into: attentionInput, parameters, on: runtime)
    let attended = workspace.tensor(x.rows, x.columns)
    let mixed = attention.forward(attentionInput, batch: batch, into: attended, parameters, on: runtime)
    add(x, accumulatingInto: attended, workers: workers)
    let feedForwardInput = workspace.tensor(x.rows, x.columns)
    let normedAgain = feedForwardNorm.forward(attended, into: feedForwardInput, parameters, on: runtime)
    let fed = try feedForward.forward(
      feedForwardInput, limits: batch.limits(capacity, topology: runtime.topologyGate), into: output, parameters,
      on: runtime)
    add(attended, accumulatingInto: output, workers: workers)
    return Saved(
      attentionNorm: normed, attentionInput: attentionInput, attention: mixed, attended: attended,
      feedForwardNorm: normedAgain, feedForwardInput: feedForwardInput, feedForward: fed)
  }

  /// The forward pass upside down. `gradient` holds the output's gradient before and the input's after.
  func backward(
    _ gradient: Tensor, x: Tensor, saved: Saved, lossGradient: RouterLossGradient, _ parameters: ParameterBuffer,
    gradients: StepGradients, on runtime: ModelRuntime
  ) throws(CommunicationError) {
    runtime.enter(.backward, layer: layer)
    let branch = runtime.workspace.tensor(x.rows, x.columns)
    try feedForward.backward(
      gradient, x: saved.feedForwardInput, saved: saved.feedForward, lossGradient: lossGradient, parameters,
      gradients: gradients, into: branch, on: runtime)
    feedForwardNorm.backward(
      branch, x: saved.attended, saved: saved.feedForwardNorm, parameters, gradients: gradients,
      accumulatingInto: gradient, on: runtime)
    attention.backward(
      gradient, x: saved.attentionInput, saved: saved.attention, parameters, gradients: gradients, into: branch,
      on: runtime)
    attentionNorm.backward(
      branch, x: x, saved: saved.attentionNorm, parameters, gradients: gradients, accumulatingInto: gradient,
      on: runtime)
  }

  /// The positions that tokens attend to.
  enum AttentionScope {
    /// Whole sequences that attend to themselves.
    case sequences(TokenBatch)
    /// The next positions of one sequence whose earlier keys and values are cached.
    case continuing(KeyValueCache.Layer, from: Int)
  }

  /// Forward without keeping anything.
  func infer(
    _ x: Tensor, scope: AttentionScope, limits: RoutingLimits, into output: Tensor, _ parameters: ParameterBuffer,
    on runtime: ModelRuntime
  ) throws(CommunicationError) {
    runtime.enter(.forward, layer: layer)
    let workspace = runtime.workspace
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let normed = workspace.tensor(x.rows, x.columns)
    _ = attentionNorm.forward(x, into: normed, parameters, on: runtime)
    let attended = workspace.tensor(x.rows, x.columns)
    switch scope {
    case .sequences(let batch):
      _ = attention.forward(normed, batch: batch, into: attended, parameters, on: runtime)
    case .continuing(let cache, let position):
      attention.extend(cache, from: position, with: normed, into: attended, parameters, on: runtime)
    }
    add(x, accumulatingInto: attended, workers: runtime.workers)
    _ = feedForwardNorm.forward(attended, into: normed, parameters, on: runtime)
    _ = try feedForward.forward(
      normed, limits: limits, into: output, parameters, on: runtime)
    add(attended, accumulatingInto: output, workers: runtime.workers)
  }
}
