import Foundation
package import Kernels
package import Tensors

/// AdamW (Loshchilov, Hutter: Decoupled weight decay regularization, 2019, algorithm 2).
///
/// With gradient `g` (already scaled), learning rate `η`, decay `λ` and update number `t`, counted from 1:
///
///     w ← w − η·λ·w
///     m ← β₁·m + (1 − β₁)·g          v ← β₂·v + (1 − β₂)·g²
///     w ← w − η · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
///
/// The decay applies to every parameter, norms and embeddings too. State and arithmetic are f32; the powers `βᵗ` are
/// computed in double precision, where `1 − β₂ᵗ` keeps its digits.
package struct AdamW: Sendable {
  package let settings: AdamWSettings
  /// Running mean of the gradients.
  package let firstMoment: ParameterBuffer
  /// Running mean of the gradients' squares.
  package let secondMoment: ParameterBuffer

  /// An optimizer that has seen nothing yet.
  package init(_ settings: AdamWSettings, layout: ParameterLayout) {
    self.settings = settings
    firstMoment = ParameterBuffer(zeros: layout)
    secondMoment = ParameterBuffer(zeros: layout)
  }

  /// The same optimizer with its moments in other places.
  package init(_ optimizer: AdamW, relaid layout: ParameterLayout) {
    settings = optimizer.settings
    firstMoment = ParameterBuffer(optimizer.firstMoment, relaid: layout)
    secondMoment = ParameterBuffer(optimizer.secondMoment, relaid: layout)
  }

  /// Updates every weight once, in one pass over the four buffers.
  ///
  /// - Parameters:
  ///   - update: the number of this update, counted from 1: it corrects the moments' bias towards zero.
  ///   - gradientScale: what the gradients are multiplied by first: the clipping of their norm.
  package func update(
    _ weights: ParameterBuffer, gradients: ParameterBuffer, number update: Int, learningRate: Double,
    gradientScale: Double, workers: WorkerPool
  ) {
    precondition(update >= 1, "update number \(update)")
    let step = AdamWStep(
      learningRate: Float(learningRate), beta1: Float(settings.beta1), beta2: Float(settings.beta2),
      epsilon: Float(settings.epsilon), weightDecay: Float(settings.weightDecay),
      biasCorrection1: Float(1 - pow(settings.beta1, Double(update))),
      biasCorrection2: Float(1 - pow(settings.beta2, Double(update))), gradientScale: Float(gradientScale))
    adamW(
      step, weights: weights.values, gradients: gradients.values, firstMoment: firstMoment.values,
      secondMoment: secondMoment.values, workers: workers)
  }
}
