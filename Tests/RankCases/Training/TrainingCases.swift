import Communication
import LanguageModel
import Tensors
package import TestSupport
import Topology
import Training

/// The training loop on several ranks.
package let trainingCases: [RankCase] = [
  RankCase("training: losses are those of one rank") { context in
    let scenario = TrainingScenario.small
    let losses = try scenario.run(over: context.world, steps: 20)
    let alone = try scenario.runAlone(steps: 20)
    context.expect(losses[19].loss < 0.8 * losses[0].loss, "nothing was learnt: \(losses.map(\.loss))")
    expectClose(losses, alone, tolerance: 1e-4, context)
  },

  RankCase("training: experts that live on several ranks each are trained as one", ranks: [2, 4]) { context in
    for size in [1, 2] {
      var scenario = TrainingScenario.small
      scenario.expertParallelSize = size
      let run = try scenario.begin(over: context.world)
      let losses = try run.advance(10)
      expectClose(losses, try scenario.runAlone(steps: 10), tolerance: 1e-4, context)
      try expectReplicasAgree(run, context)
    }
  },

  RankCase("training: two runs have the same bits") { context in
    var scenario = TrainingScenario.small
    scenario.configuration.microBatchSequences = 4
    let first = try scenario.begin(over: context.world)
    let firstLosses = try first.advance(6)
    scenario.threads = 2
    let second = try scenario.begin(over: context.world)
    let secondLosses = try second.advance(6)
    for (one, other) in zip(firstLosses, secondLosses) {
      context.expectEqual(one.totalLoss, other.totalLoss)
      context.expectEqual(one.gradientNorm, other.gradientNorm)
    }
    context.expect(first.weights == second.weights, "weights differ")
  },

  RankCase("training: micro-batches add up to the whole batch") { context in
    var scenario = TrainingScenario.small
    scenario.model.balanceLossCoefficient = 0
    scenario.model.zLossCoefficient = 0
    let whole = try scenario.run(over: context.world, steps: 8)
    for microBatchSequences in [1, 2, 4] {
      scenario.configuration.microBatchSequences = microBatchSequences
      let losses = try scenario.run(over: context.world, steps: 8)
      expectClose(losses, whole, tolerance: 1e-4, context)
    }
  },

  RankCase("training: ranks without sequences take part", ranks: [2, 4]) { context in
    var scenario = TrainingScenario.small
    scenario.configuration.batchSequences = 1
    scenario.configuration.microBatchSequences = 1
    let losses = try scenario.run(over: context.world, steps: 5)
    expectClose(losses, try scenario.runAlone(steps: 5), tolerance: 1e-4, context)
  },

  RankCase("training: with a capacity factor the same assignments are dropped on any ranks") { context in
    var scenario = TrainingScenario.small
    scenario.configuration.capacityFactor = 0.8
    let losses = try scenario.run(over: context.world, steps: 10)
    let alone = try scenario.runAlone(steps: 10)
    context.expect(losses.allSatisfy { $0.droppedFraction > 0.05 }, "\(losses.map(\.droppedFraction))")
    context.expectEqual(losses[0].droppedFraction, alone[0].droppedFraction)
    expectClose(losses, alone, tolerance: 1e-4, context)
  },

  RankCase("training: a gradient that is no number ends the run and leaves the weights") { context in
    let run = try TrainingScenario.small.begin(over: context.world)
    _ = try run.advance(1)
    run.loop.state.weights["model.layers.0.input_layernorm.weight"].buffer[3] = .nan
    let before = run.weights
    let refusal = context.expectError(Refusal.self) { _ = try run.loop.step() }
    context.expect(refusal?.message.contains("step 2") == true, "\(refusal?.message ?? "")")
    context.expect(run.weights == before, "weights changed")
  },

  RankCase("training: a steady step allocates no memory for tensors") { context in
    // Ranks that are threads share the count.
    if context.world is LoopbackCommunicator { return }
    var scenario = TrainingScenario.small
    scenario.configuration.microBatchSequences = 4
    let run = try scenario.begin(over: context.world)
    _ = try run.advance(4)
    try context.world.barrier()
    let before = Memory.allocationCount
    _ = try run.advance(6)
    context.expectEqual(Memory.allocationCount, before)
  },
]

/// Losses, norms and load agree to a relative tolerance.
private func expectClose(
  _ metrics: [StepMetrics], _ expected: [StepMetrics], tolerance: Double, _ context: RankContext
) {
  for (one, other) in zip(metrics, expected) {
    for (name, value, wanted) in [
      ("loss", one.loss, other.loss), ("total loss", one.totalLoss, other.totalLoss),
      ("gradient norm", one.gradientNorm, other.gradientNorm),
    ] {
      context.expect(
        abs(value - wanted) <= (name == "gradient norm" ? 10 : 1) * tolerance * abs(wanted),
        "step \(one.step): \(name) \(value) instead of \(wanted)")
    }
  }
}

/// Every rank's replicated weights, and the copies of each expert, have the same bits.
private func expectReplicasAgree(_ run: ScenarioRun, _ context: RankContext) throws {
  for (name, bits) in run.weights.sorted(by: { $0.key < $1.key }) where !name.contains("experts") {
    let digest = bits.reduce(0) { $0 &* 31 &+ Int($1) }
    let all = try context.world.allGather(digest)
    context.expect(all.allSatisfy { $0 == digest }, "\(name) differs between ranks")
  }
  let replicas = try context.world.split(
    color: run.rank.runtime.topology.dataParallelGroup(of: context.world.rank))
  for (name, bits) in run.weights.sorted(by: { $0.key < $1.key }) where name.contains("experts") {
    let digest = bits.reduce(0) { $0 &* 31 &+ Int($1) }
    let all = try replicas.allGather(digest)
    context.expect(all.allSatisfy { $0 == digest }, "\(name) differs between its copies")
  }
}
