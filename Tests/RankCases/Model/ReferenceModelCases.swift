import Communication
import LanguageModel
import Tensors
package import TestSupport

/// The model against transformers' numbers; none where the reference model is not beside the checkout.
package let referenceModelCases: [RankCase] =
  ReferenceModel.path.map { path in
    [
      RankCase("model: logits are transformers', and have the same bits on one rank") { context in
        let reference = try ReferenceModel(path)
        let model = try reference.model(over: context)
        let logits = try model.logits(reference.inputIDs)
        guard context.rank == 0 else { return }
        context.expect(
          largestDifference(logits, reference.logits) < 2e-4, "\(largestDifference(logits, reference.logits))")
        let alone = try LoopbackFabric.run(ranks: 1) { world in
          try RankModel(reference.configuration, over: world, threads: 2, load: reference.loadWeights)
            .logits(reference.inputIDs)
        }
        context.expect(logits == alone[0], "the logits of \(context.size) ranks differ from those of one")
      },

      RankCase("model: losses and every gradient are transformers'") { context in
        let reference = try ReferenceModel(path)
        let model = try reference.model(over: context)
        try expectGradients(of: model, reference, context)
      },

      RankCase("model: gradients with experts on several ranks each", ranks: [2, 4]) { context in
        let reference = try ReferenceModel(path)
        for size in [1, 2] where context.size % size == 0 {
          let model = try RankModel(
            reference.configuration, over: context.world, expertParallelSize: size, load: reference.loadWeights)
          try expectGradients(of: model, reference, context)
        }
      },

      RankCase("model: greedy tokens are transformers'") { context in
        let reference = try ReferenceModel(path)
        let model = try reference.model(over: context)
        for (prompt, expected) in zip(reference.prompts, reference.newTokens) {
          let tokens = try model.generate(prompt, count: expected.count)
          context.expectEqual(tokens, context.rank == 0 ? expected : [])
        }
      },
    ]
  } ?? []

extension ReferenceModel {
  fileprivate func model(over context: RankContext) throws -> RankModel {
    try RankModel(configuration, over: context.world, load: loadWeights)
  }
}

private func expectGradients(of model: RankModel, _ reference: ReferenceModel, _ context: RankContext) throws {
  let losses = try model.train(
    reference.inputIDs, targets: reference.targets, balance: reference.configuration.balanceLossCoefficient)
  context.expect(abs(losses.crossEntropy - reference.crossEntropy) < 1e-5, "cross-entropy \(losses.crossEntropy)")
  context.expect(abs(losses.balance - reference.balanceLoss) < 1e-5, "balance loss \(losses.balance)")
  for slot in model.gradients.layout.slots {
    let expected = try reference.gradient(of: slot)
    let scale = expected.reduce(0) { max($0, abs($1)) }
    let error = largestDifference(model.gradients[slot].elements, expected) / scale
    context.expect(error < 1e-4, "the gradient of \(slot.name) is off by \(error) of its largest element")
  }
}

private func largestDifference(_ values: [Float], _ expected: [Float]) -> Float {
  guard values.count == expected.count else { return .infinity }
  return zip(values, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
}
