import Training

/// Several who want to know how a run goes.
final class TrainingObservers: TrainingObserver {
  private let all: [any TrainingObserver]

  init(_ all: [any TrainingObserver]) { self.all = all }

  func finished(_ metrics: StepMetrics) { for observer in all { observer.finished(metrics) } }

  func saved(checkpoint path: String, step: Int) {
    for observer in all { observer.saved(checkpoint: path, step: step) }
  }

  func notSaved(step: Int, because reason: String) {
    for observer in all { observer.notSaved(step: step, because: reason) }
  }

  func warned(_ message: String) { for observer in all { observer.warned(message) } }
}
