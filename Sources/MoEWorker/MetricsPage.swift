import Foundation
import Glibc
import Monitoring
import Synchronization
import Training

/// How a run goes, as a page for Prometheus. The run writes, the server's thread reads.
final class MetricsPage: TrainingObserver, Sendable {
  private struct State {
    var metrics: StepMetrics?
    var heldOutLoss: Double?
    var movedExpertCount = 0
    var savedCount = 0
    var failedCount = 0
    var lastSaved: (step: Int, time: Double)?
  }

  private let plan: Plan
  private let state = Mutex(State())

  /// What is known before the first step.
  struct Plan {
    let rankCount: Int
    let completedSteps: Int
    let lastStep: Int
    /// The layers that have experts, by their places in the model.
    let expertLayers: [Int]
  }

  init(_ plan: Plan) { self.plan = plan }

  func finished(_ metrics: StepMetrics) {
    state.withLock { state in
      state.metrics = metrics
      state.heldOutLoss = metrics.heldOutLoss ?? state.heldOutLoss
      state.movedExpertCount += metrics.movedExpertCount
    }
  }

  func saved(checkpoint path: String, step: Int) {
    state.withLock { state in
      state.savedCount += 1
      state.lastSaved = (step, Date().timeIntervalSince1970)
    }
  }

  func notSaved(step: Int, because reason: String) { state.withLock { $0.failedCount += 1 } }
  func warned(_ message: String) {}

  // MARK: The page

  func text() -> String {
    let state = state.withLock { $0 }
    var text = MetricsText()
    addRun(state, to: &text)
    if let metrics = state.metrics {
      addStep(metrics, to: &text)
      addExperts(metrics, to: &text)
      addLinks(metrics, to: &text)
    }
    addCheckpoints(state, to: &text)
    text.add("process_resident_memory_bytes", .gauge, "Memory of rank 0's process.", Self.residentBytes)
    return text.description
  }

  private func addRun(_ state: State, to text: inout MetricsText) {
    text.add("switchyard_ranks", .gauge, "Ranks of the job.", Double(plan.rankCount))
    text.add(
      "switchyard_step", .gauge, "Steps done, those before a resumption included.",
      Double(state.metrics?.step ?? plan.completedSteps))
    text.add("switchyard_last_step", .gauge, "The step that the run ends with.", Double(plan.lastStep))
    text.add(
      "switchyard_held_out_loss", .gauge, "Mean cross-entropy over the held-out text, when it was last measured.",
      state.heldOutLoss)
    text.add(
      "switchyard_moved_experts_total", .counter, "Experts that have changed ranks, counted once for every layer.",
      Double(state.movedExpertCount))
  }

  private func addStep(_ metrics: StepMetrics, to text: inout MetricsText) {
    let gauges: [(String, String, Double)] = [
      ("loss", "Mean cross-entropy of the last step, nats per token.", metrics.loss),
      ("tokens_per_second", "Tokens of the last step over its time.", metrics.tokensPerSecond),
      ("step_seconds", "Time of the last step.", metrics.stepMilliseconds / 1000),
      ("learning_rate", "Learning rate of the last step.", metrics.learningRate),
      ("gradient_norm", "Norm of the last step's gradient before clipping.", metrics.gradientNorm),
      (
        "expert_layers_seconds", "Time in expert layers in the last step, the slowest rank's.",
        metrics.expertMilliseconds / 1000
      ),
      (
        "exchange_seconds", "Time in exchanges of the last step, the slowest rank's.",
        metrics.exchangeMilliseconds / 1000
      ),
      (
        "exposed_exchange_seconds", "The part of it in which the rank only waited, the slowest rank's.",
        metrics.exposedExchangeMilliseconds / 1000
      ),
      (
        "dropped_fraction", "Assignments that found no place in the last step, of all assignments.",
        metrics.droppedFraction
      ),
      ("load_imbalance", "Rows of the busiest expert over the mean, mean over layers.", metrics.loadImbalance),
    ]
    for (name, help, value) in gauges { text.add("switchyard_\(name)", .gauge, help, value) }
  }

  private func addExperts(_ metrics: StepMetrics, to text: inout MetricsText) {
    let samples = zip(plan.expertLayers, metrics.expertRows).flatMap { layer, rows in
      rows.enumerated().map { expert, count in
        MetricsText.Sample(Double(count), ["layer": "\(layer)", "expert": "\(expert)"])
      }
    }
    text.add(
      "switchyard_expert_load", .gauge, "Assignments that each expert computed in the last step, over all ranks.",
      samples)
  }

  private func addLinks(_ metrics: StepMetrics, to text: inout MetricsText) {
    // What a rank keeps for itself is on no link.
    let samples = metrics.linkByteCounts.enumerated().compactMap { index, count in
      let (from, to) = index.quotientAndRemainder(dividingBy: plan.rankCount)
      return from == to ? nil : MetricsText.Sample(Double(count), ["from": "\(from)", "to": "\(to)"])
    }
    text.add(
      "switchyard_link_bytes_total", .counter, "Bytes that a rank has sent to another since the job began.", samples)
  }

  private func addCheckpoints(_ state: State, to text: inout MetricsText) {
    text.add(
      "switchyard_checkpoints_saved_total", .counter, "Checkpoints saved since the job began.",
      Double(state.savedCount))
    text.add(
      "switchyard_checkpoints_failed_total", .counter, "Checkpoints that could not be saved since the job began.",
      Double(state.failedCount))
    text.add(
      "switchyard_checkpoint_last_saved_step", .gauge, "The step of the checkpoint that was saved last.",
      state.lastSaved.map { Double($0.step) })
    text.add(
      "switchyard_checkpoint_last_saved_timestamp_seconds", .gauge, "When it was complete, in seconds since 1970.",
      state.lastSaved?.time)
  }

  private static var residentBytes: Double? {
    let text = FileManager.default.contents(atPath: "/proc/self/statm").map { String(decoding: $0, as: UTF8.self) }
    let pages = text?.split(separator: " ").dropFirst().first.flatMap { Double($0) }
    return pages.map { $0 * Double(sysconf(Int32(_SC_PAGESIZE))) }
  }
}
