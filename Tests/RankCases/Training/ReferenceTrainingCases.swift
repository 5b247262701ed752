import Checkpoints
import Foundation
import Tensors
package import TestSupport
import Training

/// Training against another implementation's loss curve and weights; none where the reference model is not beside the
/// checkout.
package let referenceTrainingCases: [RankCase] =
  ReferenceModel.path.map { path in
    [
      RankCase("training: the reference model's five steps have the reference's losses") { context in
        let scenario = try TrainingScenario(reference: path)
        let reference = try ReferenceModel(path)
        let rank = try RankModel(scenario.model, over: context.world, load: reference.loadWeights)
        let run = try scenario.begin(
          rank, state: TrainingState(beginningWith: rank.parameters, scenario.configuration))
        let expected = try ReferenceCurve(path).losses
        for (metrics, loss) in zip(try run.advance(expected.count), expected) {
          context.expect(
            abs(metrics.totalLoss - loss) < 1e-4, "step \(metrics.step): \(metrics.totalLoss) instead of \(loss)")
        }
      },

      RankCase("training: one step leaves the reference's weights") { context in
        let scenario = try TrainingScenario(reference: path)
        let reference = try ReferenceModel(path)
        let rank = try RankModel(scenario.model, over: context.world, load: reference.loadWeights)
        let run = try scenario.begin(
          rank, state: TrainingState(beginningWith: rank.parameters, scenario.configuration))
        _ = try run.advance(1)
        let file = try SafetensorsFile(path + "/train_reference.safetensors")
        for slot in rank.parameters.layout.slots {
          let expected = Buffer<Float>(count: slot.shape.elementCount)
          try file.read("after." + slot.name, into: expected)
          let gradient = try reference.gradient(of: slot)
          for (index, weight) in rank.parameters[slot].elements.enumerated() where abs(gradient[index]) > 1e-5 {
            context.expect(
              abs(weight - expected[index]) < 2e-5, "\(slot.name)[\(index)] is \(weight), not \(expected[index])")
          }
        }
      },
    ]
  } ?? []

/// The losses that `reference.json` lists.
private struct ReferenceCurve {
  let losses: [Double]

  init(_ path: String) throws {
    struct Description: Decodable {
      struct Optimizer: Decodable { let losses_before_each_step_and_final: [Double] }
      let adamw: Optimizer
    }
    let json = try Data(contentsOf: URL(fileURLWithPath: path + "/reference.json"))
    losses = try JSONDecoder().decode(Description.self, from: json).adamw.losses_before_each_step_and_final
  }
}

extension TrainingScenario {
  /// The reference's sequences as one batch, at a constant learning rate and without clipping.
  fileprivate init(reference path: String) throws {
    let reference = try ReferenceModel(path)
    self.init(
      model: reference.configuration,
      sequences: ListedSequences(tokens: reference.inputIDs, targets: reference.targets))
    configuration.stepCount = 6
    configuration.sequenceLength = sequences.sequenceLength
    configuration.batchSequences = sequences.sequenceCount
    configuration.microBatchSequences = sequences.sequenceCount
    configuration.learningRate = 1e-3
    configuration.schedule = .constant
    configuration.warmUpSteps = 0
    configuration.gradientClip = nil
  }
}
