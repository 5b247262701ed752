package import Tensors

/// What training changes, and so what a checkpoint holds: the weights, the optimizer's moments, the steps done.
package struct TrainingState: Sendable {
  package let weights: ParameterBuffer
  package let optimizer: AdamW
  package var completedSteps: Int

  package init(weights: ParameterBuffer, optimizer: AdamW, completedSteps: Int) {
    self.weights = weights
    self.optimizer = optimizer
    self.completedSteps = completedSteps
  }

  /// The same state with its tensors in other places.
  func relaid(_ layout: ParameterLayout) -> TrainingState {
    TrainingState(
      weights: ParameterBuffer(weights, relaid: layout), optimizer: AdamW(optimizer, relaid: layout),
      completedSteps: completedSteps)
  }

  /// The state before the first step, with weights that are there already.
  package init(beginningWith weights: ParameterBuffer, _ configuration: TrainingConfiguration) {
    self.init(
      weights: weights, optimizer: AdamW(configuration.optimizer, layout: weights.layout), completedSteps: 0)
  }
}
