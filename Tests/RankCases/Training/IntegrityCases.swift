import Communication
import ExpertParallel
import LanguageModel
import Planning
import Tensors
package import TestSupport
import Topology
import Training

/// Silent errors: values that are no numbers, and copies that are not alike any more.
package let integrityCases: [RankCase] = [
  RankCase("integrity: every flipped bit of a replica is found, with its tensor and rank", ranks: [3, 4, 6]) {
    context in
    for size in [1, context.size == 6 ? 2 : context.size] {
      var scenario = TrainingScenario.small
      scenario.expertParallelSize = context.size % size == 0 && size <= 4 ? size : 1
      let run = try scenario.begin(over: context.world)
      _ = try run.advance(2)
      let check = ReplicaCheck(world: context.world, topology: run.rank.runtime.topology)
      for number in 0..<500 { try flip(number, run, check, context) }
    }
  },

  RankCase("integrity: two copies that differ are found, though neither is known to be right", ranks: [2]) { context in
    let run = try TrainingScenario.small.begin(over: context.world)
    if context.rank == 1 { run.loop.state.weights.values[3] += 1 }
    let check = ReplicaCheck(world: context.world, topology: run.rank.runtime.topology)
    let refusal = context.expectError(Refusal.self) { try check.run(run.loop.state, afterStep: 7) }
    context.expect(refusal?.kind == .replicasDiffer, "\(refusal as Any)")
    context.expect(refusal?.message.contains("differ on ranks 0, 1, and no majority") == true, "\(refusal as Any)")
  },

  RankCase("integrity: copies of a sound run are alike after every step", ranks: [1, 2, 3, 4, 6]) { context in
    for size in [1, 2] where context.size % size == 0 {
      var scenario = TrainingScenario.small
      scenario.expertParallelSize = size
      let run = try scenario.begin(over: context.world)
      let check = ReplicaCheck(world: context.world, topology: run.rank.runtime.topology)
      for step in 1...20 {
        _ = try run.advance(1)
        try check.run(run.loop.state, afterStep: step)
      }
    }
  },

  RankCase("integrity: a step without numbers is refused before its update, with its place", ranks: [1, 2, 3, 4]) {
    context in
    for (tensor, place) in [
      ("model.layers.1.self_attn.q_proj.weight", "layer 1, attention, on rank 0"),
      ("model.layers.1.block_sparse_moe.experts.3.w1.weight", "layer 1, expert 3, on rank \(context.size - 1)"),
      ("model.embed_tokens.weight", "the embedding, on rank 0"),
      ("lm_head.weight", "the output head, on rank 0"),
    ] {
      var scenario = TrainingScenario.small
      scenario.configuration.microBatchSequences = 4
      // Experts 0 to 3 in order on as many ranks as hold them.
      scenario.expertParallelSize = context.size
      let run = try scenario.begin(over: context.world)
      _ = try run.advance(1)
      spoil(run, tensor)
      let before = run.weights
      let refusal = context.expectError(Refusal.self) { _ = try run.advance(1) }
      let message = refusal?.message ?? ""
      context.expect(
        refusal?.kind == .diverged && message.contains("step 2 ") && message.contains(place),
        "\(place) is not in: \(message)")
      context.expect(run.weights == before, "the weights have changed")
    }
  },

  RankCase("integrity: an expert without numbers is named where a shadow of it computes", ranks: [2, 3, 4]) { context in
    var scenario = TrainingScenario.small
    scenario.expertParallelSize = context.size
    let run = try scenario.begin(over: context.world)
    let owner = Rank(context.size - 1)
    let plan = ShadowPlan([.init(expert: GlobalExpert(3), owner: owner, ranks: (0..<owner.index).map(Rank.init))])
    run.rank.runtime.experts.chooseShadows = { _, _ in plan }
    _ = try run.advance(1)
    spoil(run, "model.layers.1.block_sparse_moe.experts.3.w1.weight")
    let refusal = context.expectError(Refusal.self) { _ = try run.advance(1) }
    let message = refusal?.message ?? ""
    // The first rank that has rows of it; the owner computes those of no other rank.
    context.expect(
      message.contains("layer 1, expert 3, on rank ") && !message.contains("on \(owner) on"), message)
  },

  RankCase("integrity: no step of a sound run stands out, whatever the balance loss weighs", ranks: [1, 2]) { context in
    var scenario = TrainingScenario.small
    scenario.model.balanceLossCoefficient = 10
    scenario.configuration.stepCount = 60
    let metrics = try scenario.run(over: context.world, steps: 60)
    context.expectEqual(metrics.compactMap(\.notice), [])
    context.expect(metrics.allSatisfy { $0.totalLoss > 3 * $0.loss }, "the balance loss weighs little")
  },

  RankCase("integrity: the gradient that was spoilt first is the one nearest to the loss", ranks: [1]) { context in
    let run = try TrainingScenario.small.begin(over: context.world)
    let gradients = ParameterBuffer(zeros: run.loop.state.weights.layout)
    for tensor in ["model.layers.0.self_attn.q_proj.weight", "model.layers.1.block_sparse_moe.experts.2.w2.weight"] {
      gradients[tensor].buffer[1] = .infinity
    }
    let fault = run.loop.model.firstFault(inGradients: gradients)
    context.expectEqual(fault?.place, "the gradient of model.layers.1.block_sparse_moe.experts.2.w2.weight")
    context.expect(run.loop.model.firstFault(inGradients: ParameterBuffer(zeros: gradients.layout)) == nil, "a fault")
  },

  RankCase("integrity: bad steps are left out, but not more in a row than allowed", ranks: [1, 2, 3]) { context in
    var scenario = TrainingScenario.small
    scenario.configuration.mostSkippedSteps = 2
    let run = try scenario.begin(over: context.world)
    let first = try run.advance(1)
    let good = run.loop.state.weights.values.elements
    spoil(run, "model.embed_tokens.weight")
    let before = (run.weights, run.firstMoment)
    let skipped = try run.advance(2)
    context.expectEqual((first + skipped).map(\.isSkipped), [false, true, true])
    context.expect(skipped[0].jsonLine.contains("\"skipped\":true"), skipped[0].jsonLine)
    context.expect((run.weights, run.firstMoment) == before, "a step that is left out has changed the state")
    _ = context.expectError(Refusal.self) { _ = try run.advance(1) }
    run.loop.state.weights.values.copy(from: good)
    let sound = try run.advance(1)
    context.expectEqual(sound.map(\.isSkipped), [false])
    context.expect(sound[0].totalLoss.isFinite && run.loop.health.skippedInARow == 0, "\(sound)")
  },
]

private func spoil(_ run: ScenarioRun, _ tensor: String) {
  let weights = run.loop.state.weights
  if weights.layout.contains(tensor) { weights[tensor].buffer.fill(.nan) }
}

/// Flips a bit on one rank, lets all look, and flips it back.
private func flip(_ number: Int, _ run: ScenarioRun, _ check: ReplicaCheck, _ context: RankContext) throws {
  let random = CounterRandom(seed: 8, stream: "flips")
  let topology = run.rank.runtime.topology
  let draws = { (index: Int, limit: Int) in random.index(UInt64(number * 8 + index), below: limit) }
  let state = run.loop.state
  let (name, buffer) = [
    ("weights", state.weights), ("first moments", state.optimizer.firstMoment),
    ("second moments", state.optimizer.secondMoment),
  ][draws(0, 3)]
  let culprit = draws(1, context.size)
  // An expert has a majority only where three ranks hold it.
  let slots = buffer.layout.slots.filter { buffer.layout.isReplicated($0) || topology.dataParallelSize > 2 }
  let slot = slots[draws(2, slots.count)]
  let (element, bit) = (slot.range.lowerBound + draws(3, slot.range.count), draws(4, 32))
  func flip() {
    guard context.rank == culprit else { return }
    buffer.values[element] = Float(bitPattern: buffer.values[element].bitPattern ^ (1 << bit))
  }
  // Ranks that hold other experts have other names for the same place.
  let isShared = buffer.layout.isReplicated(slot) || context.rank == culprit
  flip()
  let refusal = context.expectError(Refusal.self) { try check.run(state, afterStep: 5) }
  let message = refusal?.message ?? ""
  context.expect(
    refusal?.kind == .replicasDiffer && message.contains("\(name) in ") && message.contains("of rank \(culprit) are")
      && (!isShared || message.contains(slot.name)), "flip \(number) of \(slot.name) on rank \(culprit): \(message)")
  flip()
}
