import Foundation
import Logging
import Training

/// Shows how a training run goes: one line that is rewritten on a terminal, a line every few seconds elsewhere.
final class ProgressDisplay: TrainingObserver {
  private let console: Console
  private let lastStep: Int
  private let logger = Logger(label: "moe-worker")
  private let start = ContinuousClock.now
  private var firstStep: Int?
  private var lastPlainLine: ContinuousClock.Instant?
  private static let plainInterval = Duration.seconds(5)

  init(_ console: Console, lastStep: Int) {
    self.console = console
    self.lastStep = lastStep
  }

  func finished(_ metrics: StepMetrics) {
    let line = line(metrics)
    if console.isInteractive {
      // Kept where it says something that the next one will not.
      let isKept = metrics.step == lastStep || metrics.heldOutLoss != nil
      show("\r\u{1B}[K\(line)\(isKept ? "\n" : "")")
    } else if isDue(metrics) {
      show(line + "\n")
    }
  }

  func saved(checkpoint path: String, step: Int) {
    show("\(console.isInteractive ? "\r\u{1B}[K" : "")saved \(path)\n")
  }

  func notSaved(step: Int, because reason: String) {
    warned("the checkpoint of step \(step) was not saved: \(reason)")
  }

  func warned(_ message: String) {
    logger.warning("\(message)")
  }

  private func isDue(_ metrics: StepMetrics) -> Bool {
    let now = ContinuousClock.now
    let isTime = lastPlainLine.map { $0.duration(to: now) >= Self.plainInterval } ?? true
    guard isTime || metrics.step == lastStep || metrics.heldOutLoss != nil else { return false }
    lastPlainLine = now
    return true
  }

  /// `step 120/500  loss 3.4211  12345 tokens/s  1:05 left`
  private func line(_ metrics: StepMetrics) -> String {
    let first = firstStep ?? metrics.step
    firstStep = first
    let done = Double(metrics.step - first + 1)
    let left = start.duration(to: .now) / .seconds(1) / done * Double(lastStep - metrics.step)
    var parts = [
      "step \(metrics.step)/\(lastStep)", String(format: "loss %.4f", metrics.loss),
      String(format: "%.0f tokens/s", metrics.tokensPerSecond), "\(Self.clock(left)) left",
    ]
    if let heldOutLoss = metrics.heldOutLoss { parts.append(String(format: "held-out loss %.4f", heldOutLoss)) }
    return parts.joined(separator: "  ")
  }

  /// `1:05:09`, `0:42`
  private static func clock(_ seconds: Double) -> String {
    let total = Int(min(max(seconds, 0), 1e9).rounded())
    let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60)
    return hours > 0 ? String(format: "%d:%02d:%02d", hours, minutes, rest) : String(format: "%d:%02d", minutes, rest)
  }

  /// Progress that cannot be shown is no reason to stop.
  private func show(_ text: String) { try? console.stream(text) }
}
