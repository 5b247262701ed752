import Communication
import ExpertParallel
import Planning
import RankCases
import TestSupport
import Testing
import Topology

@Suite("Shadowed experts")
struct ShadowTests {
  /// Single precision keeps 2⁻²⁴ of a sum; what is left differs by the order in which ranks' gradients are added.
  static let tolerance: Float = 1e-6

  @Test("change no bit of forward, and gradients by rounding alone", arguments: 0..<24, SchedulePolicy.allCases)
  func results(seed: Int, policy: SchedulePolicy) throws {
    var generator = SeededGenerator(seed: seed)
    let ranks = Int.random(in: 2...5, using: &generator)
    let scenario = ExpertScenario.all[[0, 1, 2, 6, 9, 12, 14, 19].randomElement(using: &generator) ?? 0]
    let batch = scenario.batch(seed % 2 == 0 ? .swiGLU : .gelu)
    guard batch.expertCount >= ranks else { return }
    let plan = randomPlan(expertCount: batch.expertCount, ranks: ranks, &generator)
    let alone = try batch.run(ExpertLayerSetup())
    let exchange = ExchangeOptions(policy: policy, groupSize: 2, taskRows: 64, window: SendWindow(total: 3, perPeer: 2))
    let parts = try LoopbackFabric.run(ranks: ranks) { world in
      let setup = scenario.setup(ranks: ranks, exchange: exchange)
      let rank = ExpertLayerRank(batch, on: world, setup)
      rank.runtime.chooseShadows = { _, _ in plan }
      return try (0..<2).map { _ in try rank.step() }
    }
    for call in 0..<2 {
      let result = ExpertLayerResult(joining: parts.map { $0[call] })
      #expect(result.out.map(\.bitPattern) == alone.out.map(\.bitPattern), "\(plan)")
      #expect(result.dx.map(\.bitPattern) == alone.dx.map(\.bitPattern))
      #expect(result.dGateWeights.map(\.bitPattern) == alone.dGateWeights.map(\.bitPattern))
      let (error, place) = result.largestError(against: alone)
      #expect(error < Self.tolerance, "\(error) at \(place)")
    }
  }

  @Test("add to the owner's gradients when they accumulate", arguments: 2...3)
  func accumulation(ranks: Int) throws {
    let batch = ExpertScenario.all[0].batch(.swiGLU)
    let plan = ShadowPlan([
      ShadowPlan.Chain(expert: GlobalExpert(0), owner: Rank(0), ranks: (1..<ranks).reversed().map(Rank.init))
    ])
    let once = try batch.run(ExpertLayerSetup())
    let parts = try LoopbackFabric.run(ranks: ranks) { world in
      let rank = ExpertLayerRank(batch, on: world, ExpertLayerSetup(ranks: ranks))
      rank.runtime.chooseShadows = { _, _ in plan }
      try rank.step()
      return try rank.step(accumulating: true)
    }
    var twice = once
    twice.dWeights = once.dWeights.map {
      ExpertBatch.Matrices(input: $0.input.map { 2 * $0 }, output: $0.output.map { 2 * $0 })
    }
    let (error, place) = ExpertLayerResult(joining: parts).largestError(against: twice)
    #expect(error < Self.tolerance, "\(error) at \(place)")
  }

  @Test("keep their rows at home: what travels instead is the parameters, once over each link")
  func traffic() throws {
    // Every token of rank 1 goes to expert 0 on rank 0.
    let batch = ExpertBatch(
      activation: .gelu, hiddenSize: 8, intermediateSize: 4, expertCount: 2, expertsPerToken: 1,
      expertIDs: Array(repeating: 0, count: 40), seed: 1)
    let plan = ShadowPlan([ShadowPlan.Chain(expert: GlobalExpert(0), owner: Rank(0), ranks: [Rank(1)])])
    let sent = try LoopbackFabric.run(ranks: 2) { world in
      let rank = ExpertLayerRank(batch, on: world, ExpertLayerSetup(ranks: 2))
      rank.runtime.chooseShadows = { _, _ in plan }
      try rank.step()
      return [rank.runtime.timings.forward.sentByteCount, rank.runtime.timings.backward.sentByteCount]
    }
    let parameters = 4 * 2 * 8 * 4
    // A manifest without assignments, and the counts by which shadows are chosen: two experts' and the tokens.
    let words = 4 * (6 + 1) + 4 * 3
    #expect(sent == [[words + parameters, 0], [words, parameters]])
  }

  /// Chains of random ranks for random experts.
  private func randomPlan(expertCount: Int, ranks: Int, _ generator: inout SeededGenerator) -> ShadowPlan {
    let placement = ExpertPlacement(expertCount: expertCount, rankCount: ranks)
    let chains = (0..<expertCount).compactMap { expert -> ShadowPlan.Chain? in
      let owner = placement.host(of: GlobalExpert(expert))
      let others = placement.ranks.filter { $0 != owner && Bool.random(using: &generator) }
      guard !others.isEmpty, Bool.random(using: &generator) else { return nil }
      return ShadowPlan.Chain(
        expert: GlobalExpert(expert), owner: owner, ranks: others.shuffled(using: &generator))
    }
    return ShadowPlan(chains)
  }
}
