package import Communication
package import Kernels
package import Planning
package import Routing
package import Tensors

extension MoETransformer {
  /// What `forward` hands to `backward`: made by the one, spent by the other. Its memory is the workspace's, from `start`
  /// up.
  package struct Saved: ~Copyable {
    /// Cross-entropy over this rank's predicted tokens.
    package let crossEntropy: CrossEntropySum
    /// This rank's sums: to be added over all ranks before the balancing losses or their gradient are taken.
    package let routing: RoutingStatistics
    /// The batch's tokens.
    package var tokens: Buffer<Int32> { batch.tokens }
    let batch: TokenBatch
    let start: Workspace.Mark
    let blocks: [BlockInput]
    /// Of the last block. [T, D]
    let output: Tensor
    /// The gradient of the last block's output. [T, D]
    let gradient: Tensor
  }

  /// One block's input, what it saved, and where its memory begins.
  struct BlockInput {
    let x: Tensor
    let saved: TransformerBlock.Saved
    let mark: Workspace.Mark
  }

  /// Computes the loss of a batch and the gradient of everything behind the last block, which is cheaper while its
  /// logits are at hand.
  ///
  /// - Parameter gradientScale: 1 / predicted tokens of the whole batch, over all ranks and micro-batches.
  package func forward(
    _ batch: TokenBatch, targets: Buffer<Int32>, capacity: CapacityPolicy, gradientScale: Float,
    _ parameters: ParameterBuffer, gradients: StepGradients, on runtime: ModelRuntime
  ) throws(CommunicationError) -> Saved {
    let workspace = runtime.workspace
    let start = workspace.mark()
    let gradient = workspace.tensor(batch.tokenCount, configuration.hiddenSize)
    let routing = RoutingStatistics(
      expertCount: configuration.expertCount, layerCount: expertLayerCount, workspace: workspace)
    var x = workspace.tensor(batch.tokenCount, configuration.hiddenSize)
    runtime.enter(.forward)
    embed(batch.tokens, table: parameters[embedding], into: x, workers: runtime.workers)
    var inputs: [BlockInput] = []
    inputs.reserveCapacity(blocks.count)
    var expertLayer = 0
    for block in blocks {
      let mark = workspace.mark()
      let output = workspace.tensor(x.rows, x.columns)
      let saved = try block.forward(x, batch: batch, capacity: capacity, into: output, parameters, on: runtime)
      if let choices = saved.feedForward.routing {
        routing.add(choices, layer: expertLayer)
        expertLayer += 1
      }
      inputs.append(BlockInput(x: x, saved: saved, mark: mark))
      x = output
    }
    runtime.enter(.loss)
    let crossEntropy = lossAndGradient(
      of: x, targets: targets, scale: gradientScale, into: gradient, parameters, gradients: gradients, on: runtime)
    return Saved(
      crossEntropy: crossEntropy, routing: routing, batch: batch, start: start, blocks: inputs, output: x,
      gradient: gradient)
  }

  /// Final norm and output head, forward and backward.
  private func lossAndGradient(
    of x: Tensor, targets: Buffer<Int32>, scale: Float, into gradient: Tensor, _ parameters: ParameterBuffer,
    gradients: StepGradients, on runtime: ModelRuntime
  ) -> CrossEntropySum {
    let workspace = runtime.workspace
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let normed = workspace.tensor(x.rows, x.columns)
    let dNormed = workspace.tensor(x.rows, x.columns)
    let saved = finalNorm.forward(x, into: normed, parameters, on: runtime)
    let sum = outputHeadLossAndGradients(
      normed, weight: parameters[outputHead], targets: targets, gradientScale: scale, into: dNormed,
      into: gradients[outputHead], accumulating: gradients.isAccumulating, workspace: workspace,
      workers: runtime.workers)
    gradient.fill(0)
    finalNorm.backward(
      dNormed, x: x, saved: saved, parameters, gradients: gradients, accumulatingInto: gradient, on: runtime)
    return sum
  }

  /// Writes the batch's gradients, or adds them, and gives the activations' memory back.
  ///
  /// - Parameters:
  ///   - lossGradient: that of the balancing losses, from `saved.routing` added over all ranks.
  ///   - onGradientsReady: told each range of gradients that is final. The ranges of replicated ones lie one before
  ///     another, from the end of the replicated parameters to their start; between them come those of hosted experts.
  package func backward(
    _ saved: consuming Saved, lossGradient: RouterLossGradient, _ parameters: ParameterBuffer,
    gradients: StepGradients, on runtime: ModelRuntime,
    onGradientsReady: (Range<Int>) throws(CommunicationError) -> Void = { _ in }
  ) throws(CommunicationError) {
    try onGradientsReady(headRange)
    for (block, input) in zip(blocks, saved.blocks).reversed() {
      try block.backward(
        saved.gradient, x: input.x, saved: input.saved, lossGradient: lossGradient, parameters,
        gradients: gradients, on: runtime)
      runtime.workspace.release(to: input.mark)
      try onGradientsReady(block.replicatedRange)
      if let experts = block.feedForward.expertRange { try onGradientsReady(experts) }
    }
    runtime.enter(.backward)
    // A tied table already has the output head's gradient.
    let table = configuration.tiesEmbeddings ? gradients[embedding] : gradients.cleared(embedding)
    embedBackward(saved.gradient, tokens: saved.batch.tokens, accumulatingInto: table, workers: runtime.workers)
    runtime.workspace.release(to: saved.start)
    try onGradientsReady(0..<(blocks.first?.replicatedRange ?? headRange).lowerBound)
  }
}
