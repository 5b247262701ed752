package import Communication
package import Kernels
package import Planning
package import Tensors

extension MoETransformer {
  /// The hidden states behind the final norm, for every position of a batch. [T, D]
  package func hiddenStates(
    _ batch: TokenBatch, capacity: CapacityPolicy = .dropless, into hidden: Tensor, _ parameters: ParameterBuffer,
    on runtime: ModelRuntime
  ) throws(CommunicationError) {
    try infer(batch.tokens, limits: batch.limits(capacity), into: hidden, parameters, on: runtime) { _ in
      .sequences(batch)
    }
  }

  /// The hidden states behind the final norm for the next positions of one sequence, which join the cache. [n, D]
  ///
  /// A rank without the sequence gives no tokens and takes part in the experts' work.
  ///
  /// - Parameter tokenLimit: the most tokens that any rank gives; the same number on all ranks.
  package func extend(
    _ cache: KeyValueCache, with tokens: Buffer<Int32>, tokenLimit: Int, into hidden: Tensor,
    _ parameters: ParameterBuffer, on runtime: ModelRuntime
  ) throws(CommunicationError) {
    let position = cache.count
    precondition(
      position + tokens.count <= cache.capacity, "\(tokens.count) tokens after \(position) of \(cache.capacity)")
    let limits = RoutingLimits(capacity: .dropless, sequenceLength: tokens.count, tokenLimit: tokenLimit)
    try infer(tokens, limits: limits, into: hidden, parameters, on: runtime) { block in
      .continuing(cache.layers[block.layer], from: position)
    }
    cache.count += tokens.count
  }

  /// hidden · headᵀ [n, V]
  package func logits(_ hidden: Tensor, into logits: Tensor, _ parameters: ParameterBuffer, on runtime: ModelRuntime) {
    linear(hidden, weight: parameters[outputHead], into: logits, workers: runtime.workers)
  }

  /// The cross-entropy of this rank's predicted tokens, without logits that ever exist whole.
  package func crossEntropy(
    of batch: TokenBatch, targets: Buffer<Int32>, capacity: CapacityPolicy = .dropless, _ parameters: ParameterBuffer,
    on runtime: ModelRuntime
  ) throws(CommunicationError) -> CrossEntropySum {
    let workspace = runtime.workspace
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let hidden = workspace.tensor(batch.tokenCount, configuration.hiddenSize)
    try hiddenStates(batch, capacity: capacity, into: hidden, parameters, on: runtime)
    return outputHeadLoss(
      hidden, weight: parameters[outputHead], targets: targets, workspace: workspace, workers: runtime.workers)
  }

  private func infer(
    _ tokens: Buffer<Int32>, limits: RoutingLimits, into hidden: Tensor, _ parameters: ParameterBuffer,
    on runtime: ModelRuntime, scope: (TransformerBlock) -> TransformerBlock.AttentionScope
  ) throws(CommunicationError) {
    let workspace = runtime.workspace
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    var x = workspace.tensor(tokens.count, configuration.hiddenSize)
    var output = workspace.tensor(tokens.count, configuration.hiddenSize)
    embed(tokens, table: parameters[embedding], into: x, workers: runtime.workers)
    for block in blocks {
      try block.infer(x, scope: scope(block), limits: limits, into: output, parameters, on: runtime)
      swap(&x, &output)
    }
    _ = finalNorm.forward(x, into: hidden, parameters, on: runtime)
  }
}
