/// The constants of `AdamW`.
package struct AdamWSettings: Codable, Hashable, Sendable {
  /// Share of the old mean of gradients that a step keeps.
  package var beta1 = 0.9
  /// Share of the old mean of squared gradients that a step keeps.
  package var beta2 = 0.95
  package var epsilon = 1e-8
  /// Share of every weight that a step takes away, times the learning rate.
  package var weightDecay = 0.1

  package init() {}
}
