/// Somebody who wants to know how a run goes: a progress line, a test. Called on every rank, in step with the run.
package protocol TrainingObserver: AnyObject {
  /// A step is done, and evaluated if that was due.
  func finished(_ metrics: StepMetrics)
  /// A checkpoint is complete; by then the run may be some steps further.
  func saved(checkpoint path: String, step: Int)
  /// A checkpoint could not be saved, and the run goes on.
  func notSaved(step: Int, because reason: String)
  /// Something else went wrong, and the run goes on.
  func warned(_ message: String)
}
