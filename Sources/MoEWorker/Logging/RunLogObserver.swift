import Logging
import Training

/// Writes down what a run leaves and changes besides its measurements, which have a file of their own.
final class RunLogObserver: TrainingObserver {
  private let logger: Logger

  init(_ log: RunLog) { logger = log.logger }

  func finished(_ metrics: StepMetrics) {
    guard metrics.movedExpertCount > 0 else { return }
    logger.info("experts moved", metadata: ["moved_experts": .stringConvertible(metrics.movedExpertCount)])
  }

  func saved(checkpoint path: String, step: Int) {
    logger.info("checkpoint saved", metadata: ["checkpoint_step": .stringConvertible(step), "path": .string(path)])
  }

  // What goes wrong is said on the terminal, from where it comes here too.
  func notSaved(step: Int, because reason: String) {}
  func warned(_ message: String) {}
}
