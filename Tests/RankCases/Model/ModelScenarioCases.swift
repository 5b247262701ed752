import Communication
import LanguageModel
import Tensors
package import TestSupport

/// Small random models against plain double-precision loops.
package let modelScenarioCases: [RankCase] = ModelScenario.all.flatMap { scenario in
  [
    RankCase("model: \(scenario.name): logits and losses are those of plain loops", ranks: [3]) { context in
      let naive = scenario.naive()
      let expected = naive.forward(scenario.sequences)
      let model = try scenario.model(over: context)
      let logits = try model.logits(scenario.sequences, capacity: scenario.capacity)
      context.expect(scenario.isDropping == (expected.droppedCount > 0), "\(expected.droppedCount) dropped")
      if context.rank == 0 {
        let error = zip(logits, expected.logits.joined().joined()).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
        context.expect(error < 2e-5, "logits are off by \(error)")
        context.expect(logits.count == expected.logits.joined().joined().count)
      }
      let losses = try model.train(
        scenario.sequences, targets: scenario.targets, balance: 0, capacity: scenario.capacity)
      for (name, value, expected) in [
        ("cross-entropy", losses.crossEntropy, naive.crossEntropy(expected, scenario.targets)),
        ("balance loss", losses.balance, naive.balanceLoss(expected)), ("z-loss", losses.z, naive.zLoss(expected)),
      ] {
        context.expect(abs(value - expected) < 1e-5 * (1 + abs(expected)), "\(name) \(value) instead of \(expected)")
      }
      let assignments = expected.routed.count * scenario.configuration.expertsPerToken
      context.expectEqual(losses.droppedFraction, Double(expected.droppedCount) / Double(assignments))
    },

    RankCase("model: \(scenario.name): gradients are finite differences of plain loops", ranks: [3]) { context in
      let model = try scenario.model(over: context)
      let naive = scenario.naive()
      try model.train(
        scenario.sequences, targets: scenario.targets, balance: 0.5, zLoss: 0.1, capacity: scenario.capacity)
      // Replicated parameters are checked by one rank, experts by those that host them.
      for slot in model.gradients.layout.slots where context.rank == 0 || !model.gradients.layout.isReplicated(slot) {
        context.step(slot.name)
        for direction in 0..<2 {
          let error = scenario.directionalError(model.gradients[slot].elements, slot.name, direction, naive)
          context.expect(error < 1e-4, "\(slot.name), direction \(direction): off by \(error)")
        }
      }
    },
  ]
}

extension ModelScenario {
  fileprivate func model(over context: RankContext) throws -> RankModel {
    try RankModel(configuration, over: context.world) { initialize($0) }
  }

  fileprivate func naive() -> NaiveTransformer {
    let whole = ParameterBuffer(zeros: ModelLayout.whole(configuration))
    initialize(whole)
    var naive = NaiveTransformer(configuration, whole)
    naive.capacity = capacity
    return naive
  }

  /// |⟨gradient, v⟩ − (loss(w + hv) − loss(w − hv)) / 2h| for a random v of ±1, over the gradient's length (a gradient
  /// that should be zero is one of rounding errors): an error in any element shows in it.
  fileprivate func directionalError(
    _ gradient: [Float], _ name: String, _ direction: Int, _ naive: NaiveTransformer
  ) -> Double {
    let random = CounterRandom(seed: UInt64(direction), stream: name)
    let signs = gradient.indices.map { random.uniform(UInt64($0)) < 0.5 ? -1.0 : 1.0 }
    func loss(_ step: Double) -> Double {
      var moved = naive
      moved.weights[name] = zip(moved.weights[name] ?? [], signs).map { $0 + step * $1 }
      return moved.loss(sequences, targets: targets, balance: 0.5, z: 0.1)
    }
    let expected = (loss(1e-6) - loss(-1e-6)) / 2e-6
    let value = zip(gradient, signs).reduce(0) { $0 + Double($1.0) * $1.1 }
    let length = gradient.reduce(0) { $0 + Double($1 * $1) }.squareRoot()
    return abs(value - expected) / max(length, 1e-2)
  }
}
