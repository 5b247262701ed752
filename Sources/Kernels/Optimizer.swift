package import Tensors

/// What one step of AdamW needs besides the values: Loshchilov, Hutter: Decoupled Weight Decay Regularization, 2019.
package struct AdamWStep: Sendable {
  package var learningRate: Float
  package var beta1: Float
  package var beta2: Float
  package var epsilon: Float
  package var weightDecay: Float
  /// 1 − β₁ᵗ and 1 − β₂ᵗ at step t = 1, 2, …
  package var biasCorrection1: Float
  package var biasCorrection2: Float
  /// Every gradient is multiplied by this first: gradient clipping.
  package var gradientScale: Float

  package init(
    learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, weightDecay: Float, biasCorrection1: Float,
    biasCorrection2: Float, gradientScale: Float
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.biasCorrection1 = biasCorrection1
    self.biasCorrection2 = biasCorrection2
    self.gradientScale = gradientScale
  }
}

/// One step of AdamW, in the order of operations of PyTorch's `torch.optim.AdamW` (single tensor form):
///
///   w ← w·(1 − lr·decay)     m ← m + (g − m)·(1 − β₁)     v ← v·β₂ + (1 − β₂)·g²
///   w ← w − lr/bias₁ · m / (√v/√bias₂ + ε)
///
/// All four buffers have the same length.
package func adamW(
  _ step: AdamWStep, weights: Buffer<Float>, gradients: Buffer<Float>, firstMoment: Buffer<Float>,
  secondMoment: Buffer<Float>, workers: WorkerPool
) {
  let count = weights.count
  precondition(
    gradients.count == count && firstMoment.count == count && secondMoment.count == count,
    "\(count) weights, \(gradients.count) gradients, \(firstMoment.count) and \(secondMoment.count) moments")
  let keep = Float(1 - Double(step.learningRate) * Double(step.weightDecay))
  let newness1 = Float(1 - Double(step.beta1))
  let newness2 = Float(1 - Double(step.beta2))
  let stepSize = Float(Double(step.learningRate) / Double(step.biasCorrection1))
  let rootCorrection = step.biasCorrection2.squareRoot()
  let (beta2, epsilon, gradientScale) = (step.beta2, step.epsilon, step.gradientScale)
  workers.forEachElementBlock(of: count) { range in
    let w = weights.pointer + range.lowerBound
    let m = firstMoment.pointer + range.lowerBound
    let v = secondMoment.pointer + range.lowerBound
    let g = gradients.pointer + range.lowerBound
    for strip in strips(of: range.count) {
      let gradient = g[strip] * gradientScale
      let first = m[strip].addingProduct(gradient - m[strip], Vector(repeating: newness1))
      let second = (v[strip] * beta2).addingProduct(gradient * newness2, gradient)
      m[strip] = first
      v[strip] = second
      let denominator = squareRoot(second) / rootCorrection + epsilon
      w[strip] = (w[strip] * keep).addingProduct(first / denominator, Vector(repeating: -stepSize))
    }
  }
}

/// Σ x²: f32 within blocks of a fixed size, f64 over the blocks in order.
package func sumOfSquares(_ values: Buffer<Float>, workers: WorkerPool) -> Double {
  let blockSize = 8192
  let blockCount = (values.count + blockSize - 1) / blockSize
  return withUnsafeTemporaryAllocation(of: Double.self, capacity: blockCount) { sums in
    workers.run(blockCount) { block, _ in
      let first = block * blockSize
      let x = values.pointer + first
      sums[block] = Double(dot(x, x, count: min(blockSize, values.count - first)))
    }
    return sums.reduce(0, +)
  }
}
