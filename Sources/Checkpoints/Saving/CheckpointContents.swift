package import LanguageModel
package import Tensors

/// What a checkpoint holds, as each rank has its part of it.
package struct CheckpointContents {
  package var configuration: ModelConfiguration
  package var weights: ParameterBuffer
  /// The optimizer's moments, of the same layout as the weights.
  package var firstMoment: ParameterBuffer
  package var secondMoment: ParameterBuffer
  /// JSON that says how to go on: step, seed, place in the data, schedule. Only rank 0's is written.
  package var trainerState: [UInt8]
  /// The content of `tokenizer.json`, if the model has one. Only rank 0's is written.
  package var tokenizer: [UInt8]?

  package init(
    configuration: ModelConfiguration, weights: ParameterBuffer, firstMoment: ParameterBuffer,
    secondMoment: ParameterBuffer, trainerState: [UInt8], tokenizer: [UInt8]?
  ) {
    self.configuration = configuration
    self.weights = weights
    self.firstMoment = firstMoment
    self.secondMoment = secondMoment
    self.trainerState = trainerState
    self.tokenizer = tokenizer
  }

  /// The buffers in the order in which they are written.
  var buffers: [ParameterBuffer] { [weights, firstMoment, secondMoment] }
}

/// The small files of a checkpoint, as rank 0 hands them to its writing thread.
struct SmallFiles: Sendable {
  let configuration: ModelConfiguration
  let trainerState: [UInt8]
  let tokenizer: [UInt8]?

  init(_ contents: CheckpointContents) {
    configuration = contents.configuration
    trainerState = contents.trainerState
    tokenizer = contents.tokenizer
  }
}
