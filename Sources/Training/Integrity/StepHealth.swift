import Foundation

/// What a run remembers of its last steps, to tell when one stands out: a batch that cannot be right, or the beginning of a
/// divergence. It is a part of checkpoints, so that a resumed run judges as one that was never interrupted.
///
/// A step stands out if its loss, or the logarithm of its gradient's norm, lies more than six standard deviations above the
/// mean of the last hundred sound steps. A deviation below 0.05 nats, or 0.65 of the logarithm, counts as that much, so that
/// a spike is at least 0.3 nats, or a norm of about fifty times the usual one. Six deviations alone are too few: the norms of
/// a model that knows its text have a heavy tail, and one sound step in two thousand lay beyond them.
package struct StepHealth: Codable, Hashable, Sendable {
  package enum Verdict: Hashable, Sendable {
    case sound
    /// Says what stands out, by how much.
    case spike(String)
    case noNumber
  }

  /// Steps that are remembered.
  package static let windowLength = 100
  /// Fewer say nothing yet.
  package static let shortestWindow = 20
  package static let limit = 6.0
  private static let leastLossDeviation = 0.05
  private static let leastLogDeviation = 0.65

  private var losses: [Double] = []
  private var logNorms: [Double] = []
  /// Steps that were left out since the last that was not.
  package private(set) var skippedInARow = 0

  package init() {}

  /// Whether a run can have left it. What comes from a file is asked this before all else.
  var isBelievable: Bool {
    max(losses.count, logNorms.count) <= Self.windowLength
      && (0...TrainingConfiguration.largestCount).contains(skippedInARow)
  }

  /// What to think of a step before its update.
  package func judge(loss: Double, gradientNorm: Double) -> Verdict {
    guard loss.isFinite, gradientNorm.isFinite else { return .noNumber }
    if let excess = Self.excess(of: loss, over: losses, least: Self.leastLossDeviation) {
      return .spike("a loss of \(Self.text(loss)), \(Self.text(excess)) standard deviations above")
    }
    if let excess = Self.excess(of: log(gradientNorm), over: logNorms, least: Self.leastLogDeviation) {
      return .spike("a gradient norm of \(Self.text(gradientNorm)), \(Self.text(excess)) standard deviations above")
    }
    return .sound
  }

  /// Remembers a step whose update was made.
  package mutating func accept(loss: Double, gradientNorm: Double) {
    skippedInARow = 0
    losses = (losses + [loss]).suffix(Self.windowLength)
    if gradientNorm > 0 { logNorms = (logNorms + [log(gradientNorm)]).suffix(Self.windowLength) }
  }

  package mutating func skip() { skippedInARow += 1 }

  /// Standard deviations above the mean, if they are too many.
  private static func excess(of value: Double, over window: [Double], least: Double) -> Double? {
    guard window.count >= shortestWindow else { return nil }
    let mean = window.reduce(0, +) / Double(window.count)
    let variance = window.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(window.count - 1)
    let excess = (value - mean) / max(variance.squareRoot(), least)
    return excess > limit ? excess : nil
  }

  private static func text(_ value: Double) -> String { String(format: "%.3g", value) }
}
