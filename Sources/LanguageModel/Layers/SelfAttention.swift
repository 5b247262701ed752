import Kernels
import Tensors

// Shapes: T = B·S tokens, D hidden, H heads, KV key-value heads, h head size.
// x, y: [T, D]   queries, keys, values together: [T, (H + 2·KV)·h]   mixed: [T, H·h]

/// Causal grouped-query attention with rotary positions: y = attention(rotate(x·Wqᵀ), rotate(x·Wkᵀ), x·Wvᵀ)·Woᵀ.
///
/// Query, key and value weights lie one after another, so that one matmul makes all three.
struct SelfAttention: Sendable {
  let projection: JoinedSlot
  let output: ParameterSlot
  let headCount: Int
  let keyValueHeadCount: Int
  let headSize: Int
  let rotary: RotaryTable

  /// What backward needs; queries and keys are rotated.
  struct Saved {
    let projected: Tensor
    let mixed: Tensor
    let logSumExp: Tensor
    let shape: AttentionShape
  }

  private var rotatedHeadCount: Int { headCount + keyValueHeadCount }
  private var queryWidth: Int { headCount * headSize }
  private var keyWidth: Int { keyValueHeadCount * headSize }

  private func shape(sequenceCount: Int, sequenceLength: Int) -> AttentionShape {
    AttentionShape(
      sequenceCount: sequenceCount, sequenceLength: sequenceLength, headCount: headCount,
      keyValueHeadCount: keyValueHeadCount, headSize: headSize)
  }

  func forward(
    _ x: Tensor, batch: TokenBatch, into y: Tensor, _ parameters: ParameterBuffer, on runtime: ModelRuntime
  ) -> Saved {
    let (workspace, workers) = (runtime.workspace, runtime.workers)
    let saved = Saved(
      projected: workspace.tensor(x.rows, queryWidth + 2 * keyWidth), mixed: workspace.tensor(x.rows, queryWidth),
      logSumExp: workspace.tensor(batch.sequenceCount * headCount, batch.sequenceLength),
      shape: shape(sequenceCount: batch.sequenceCount, sequenceLength: batch.sequenceLength))
    linear(x, weight: projection.matrix(in: parameters), into: saved.projected, workers: workers)
    rotate(
      saved.projected, headCount: rotatedHeadCount, table: rotary, sequenceLength: batch.sequenceLength,
      workers: workers)
    attention(saved.projected, shape: saved.shape, into: saved.mixed, logSumExp: saved.logSumExp, workers: workers)
    linear(saved.mixed, weight: parameters[output], into: y, workers: workers)
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
    let dMixed = workspace.tensor(x.rows, queryWidth)
    linearInputGradient(dy, weight: parameters[output], into: dMixed, accumulating: false, workers: workers)
    linearWeightGradient(
      dy, x: saved.mixed, into: gradients[output], accumulating: gradients.isAccumulating, workers: workers)
    let dProjected = workspace.tensor(x.rows, saved.projected.columns)
    attentionBackward(
      dMixed, qkv: saved.projected, out: saved.mixed, logSumExp: saved.logSumExp, shape: saved.shape,
      into: dProjected, workspace: workspace, workers: workers)
    rotateBackward(
      dProjected, headCount: rotatedHeadCount, table: rotary, sequenceLength: saved.shape.sequenceLength,
      workers: workers)
    linearInputGradient(
      dProjected, weight: projection.matrix(in: parameters), into: dx, accumulating: false, workers: workers)
    linearWeightGradient(
      dProjected, x: x, into: projection.matrix(in: gradients.buffer), accumulating: gradients.isAccumulating,
      workers: workers)
  }

  /// Attention of new positions of one sequence to themselves and all before them, whose keys and values are cached.
  func extend(
    _ cache: KeyValueCache.Layer, from firstPosition: Int, with x: Tensor, into y: Tensor,
    _ parameters: ParameterBuffer, on runtime: ModelRuntime
  ) {
    let (workspace, workers) = (runtime.workspace, runtime.workers)
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let projected = workspace.tensor(x.rows, queryWidth + 2 * keyWidth)
    linear(x, weight: projection.matrix(in: parameters), into: projected, workers: workers)
    rotate(
      projected, headCount: rotatedHeadCount, table: rotary, sequenceLength: x.rows, firstPosition: firstPosition,
      workers: workers)
    let queries = workspace.tensor(x.rows, queryWidth)
    let positions = firstPosition..<firstPosition + x.rows
    copyColumns(of: projected, from: 0, into: queries)
    copyColumns(of: projected, from: queryWidth, into: cache.keys[rows: positions])
    copyColumns(of: projected, from: queryWidth + keyWidth, into: cache.values[rows: positions])
    let mixed = workspace.tensor(x.rows, queryWidth)
    cachedAttention(
      queries: queries, keys: cache.keys, values: cache.values, firstPosition: firstPosition,
      shape: shape(sequenceCount: 1, sequenceLength: x.rows), into: mixed, workers: workers)
    linear(mixed, weight: parameters[output], into: y, workers: workers)
  }
}

/// y = the columns of x that start at `first`, as many as y has.
private func copyColumns(of x: Tensor, from first: Int, into y: Tensor) {
  for row in 0..<y.rows {
    y[rows: row..<row + 1].buffer.copy(from: x[rows: row..<row + 1].buffer[first..<first + y.columns])
  }
}
