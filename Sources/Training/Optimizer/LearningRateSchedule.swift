import Foundation

/// The learning rate of every step of a run: a linear rise, then a half cosine or a plateau.
///
/// Steps are counted from 0. With `W` warm-up steps, `N` steps in all and the peak rate `p`:
///
///     s < W       rate(s) = p · (s + 1) / W                     the first step already moves the weights
///     cosine      rate(s) = f + (p − f) · (1 + cos(π·t)) / 2    t = (s − W) / (N − W),  f = finalShare · p
///     constant    rate(s) = p
///
/// so the first step after the warm-up runs at the peak, and step `N`, which would be the next one, at `f`.
/// (Loshchilov, Hutter: SGDR, 2017, equation 5, one period; the floor of a tenth is GPT-3's, appendix B.)
package struct LearningRateSchedule: Hashable, Sendable {
  /// What follows the warm-up.
  package enum Shape: String, Codable, Hashable, Sendable, CaseIterable {
    case cosine, constant
  }

  package var shape: Shape
  package var peak: Double
  package var warmUpSteps: Int
  package var stepCount: Int
  /// The share of the peak on which the cosine ends.
  package var finalShare = 0.1

  package init(_ shape: Shape, peak: Double, warmUpSteps: Int, stepCount: Int) {
    self.shape = shape
    self.peak = peak
    self.warmUpSteps = warmUpSteps
    self.stepCount = stepCount
  }

  /// The learning rate with which a step updates the weights.
  package func rate(step: Int) -> Double {
    precondition(step >= 0, "step \(step)")
    if step < warmUpSteps { return peak * Double(step + 1) / Double(warmUpSteps) }
    switch shape {
    case .constant:
      return peak
    case .cosine:
      let span = max(stepCount - warmUpSteps, 1)
      let progress = min(Double(step - warmUpSteps) / Double(span), 1)
      let floor = finalShare * peak
      return floor + (peak - floor) * (1 + cos(.pi * progress)) / 2
    }
  }
}
