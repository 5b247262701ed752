import Planning
import TestSupport
import Testing
import Topology

@Suite("Shadow policy")
struct ShadowPolicyTests {
  /// 8 workers of 4096 tokens and an expert each, H 2048, α 2, 11.5 TFLOP/s, 50 Gbit/s: FasterMoE's defaults.
  /// Its shipped policy shadows nothing here (it sums the counts over the wrong axis).
  private func fasterMoE(tokensOnExpertFive: Int) -> LayerExample {
    let others = (4096 - tokensOnExpertFive) / 7
    let row = (0..<8).map { $0 == 5 ? 4096 - 7 * others : others }
    return LayerExample(
      costs: LayerCosts(
        machine: LayerExample.machine(flopsPerSecond: 11.5e12, bytesPerSecond: 6.25e9, latencySeconds: 5e-6),
        shape: ExpertShape(hiddenSize: 2048, intermediateSize: 4096, matrixCount: 2, elementBytes: 4),
        hostOfRank: Array(0..<8), threadsPerRank: 1, passes: .training),
      load: RoutingLoad(
        tokenCounts: Array(repeating: 4096, count: 8), expertsPerToken: 1, expertCount: 8,
        counts: (0..<8).flatMap { _ in row }), owners: Array(0..<8))
  }

  @Test("shadows FasterMoE's expert of 60 % of all tokens on every other rank")
  func popularExpert() {
    let example = fasterMoE(tokensOnExpertFive: 2458)
    let plan = example.policy.plan(example.load, owners: example.owners)
    #expect(plan.chains.map(\.expert) == [GlobalExpert(5)])
    #expect(plan.ranks(of: GlobalExpert(5)) == [7, 6, 4, 3, 2, 1, 0].map(Rank.init))
    #expect(example.predicted() / example.predicted(plan) > 2)
  }

  @Test("shadows nothing where loads are equal")
  func equalLoads() {
    let example = fasterMoE(tokensOnExpertFive: 512)
    #expect(example.policy.plan(example.load, owners: example.owners).isEmpty)
  }

  @Test("speeds up skewed small experts", arguments: zip([1.2, 1.8], [1.25, 1.5]))
  func skewedSmallExperts(exponent: Double, speedup: Double) {
    let example = LayerExample.s4(exponent: exponent)
    let plan = example.policy.plan(example.load, owners: example.owners)
    let predicted = example.predicted() / example.predicted(plan)
    #expect(predicted >= speedup, "predicted \(predicted)")
  }

  @Test("shadows none of few large experts, which cost more link time than they save", arguments: [0, 0.6, 1.2, 1.8])
  func largeExperts(exponent: Double) {
    for hostCount in [2, 4] {
      for passes in [LayerPasses.forward, .training] {
        for example in [
          LayerExample.s1(hostCount: hostCount, exponent: exponent, passes: passes),
          LayerExample.s2(hostCount: hostCount, exponent: exponent, passes: passes),
        ] {
          #expect(example.policy.plan(example.load, owners: example.owners).isEmpty)
        }
      }
    }
  }

  /// Rank 1 sends expert 0 all its tokens, rank 2 a few: a replica there would cost more than its rows.
  @Test("replicates only where enough rows come from")
  func partialReplicas() {
    let example = LayerExample.s4(hostCount: 4, exponent: 1.2)
    var counts = Array(repeating: 0, count: 4 * 64)
    for rank in 0..<4 { counts[rank * 64] = rank == 1 ? 16384 : 160 }
    let load = RoutingLoad(
      tokenCounts: Array(repeating: 16384, count: 4), expertsPerToken: 1, expertCount: 64, counts: counts)
    #expect(
      example.policy.plan(load, owners: example.owners).chains
        == [ShadowPlan.Chain(expert: GlobalExpert(0), owner: Rank(0), ranks: [Rank(1)])])
  }

  @Test("never predicts more time than without shadows, whatever the plan before", arguments: 0..<300)
  func neverWorse(seed: Int) {
    let example = LayerExample(seed: seed)
    let policy = example.policy
    let plan = policy.plan(example.load, owners: example.owners)
    #expect(example.predicted(plan) <= example.predicted())
    #expect(plan == policy.plan(example.load, owners: example.owners))
    let changed = example.varied(by: 0.9, seed: seed)
    let next = policy.plan(changed.load, owners: changed.owners, previous: plan)
    #expect(changed.predicted(next) <= changed.predicted())
    for chain in plan.chains + next.chains {
      #expect(chain.owner.index == example.owners[chain.expert.index])
      #expect(!chain.ranks.contains(chain.owner) && Set(chain.ranks).count == chain.ranks.count)
      #expect(!chain.ranks.isEmpty)
    }
    let experts = plan.chains.map(\.expert)
    #expect(experts == Set(experts).sorted())
  }

  @Test("some random layers get shadows and some do not")
  func randomLayersVary() {
    let planned = (0..<300).map { LayerExample(seed: $0) }
      .count { !$0.policy.plan($0.load, owners: $0.owners).isEmpty }
    #expect((50...250).contains(planned), "\(planned) of 300")
  }

  @Test("keeps each rank's memory limit", arguments: 0..<150)
  func memory(seed: Int) {
    let example = LayerExample(seed: seed)
    let shadowBytes = example.costs.shape.parameterBytes * (example.costs.passes == .training ? 2 : 1)
    let free = example.policy.plan(example.load, owners: example.owners)
    for limit in 0...2 {
      let policy = ShadowPolicy(costs: example.costs, memoryBytes: (limit + 1) * shadowBytes - 1)
      for plan in [
        policy.plan(example.load, owners: example.owners),
        policy.plan(example.load, owners: example.owners, previous: free),
      ] {
        for rank in 0..<example.load.rankCount { #expect(plan.experts(on: Rank(rank)).count <= limit) }
        #expect(example.predicted(plan) <= example.predicted())
      }
    }
  }

  @Test("enters each host once, the owner's first, and adds gradients in order of rank")
  func chainOrder() {
    // Ranks 0…5 on hosts 0, 0, 1, 1, 2, 2; all send all tokens to the expert of rank 2.
    let costs = LayerCosts(
      machine: LayerExample.machine(flopsPerSecond: 1e10, bytesPerSecond: 1e8),
      shape: ExpertShape(hiddenSize: 64, intermediateSize: 64, matrixCount: 2, elementBytes: 4),
      hostOfRank: [0, 0, 1, 1, 2, 2], threadsPerRank: 1, passes: .training)
    let load = RoutingLoad(
      tokenCounts: Array(repeating: 4096, count: 6), expertsPerToken: 1, expertCount: 1,
      counts: Array(repeating: 4096, count: 6))
    let plan = ShadowPolicy(costs: costs, memoryBytes: 1 << 20).plan(load, owners: [2])
    #expect(plan.ranks(of: GlobalExpert(0)) == [3, 5, 4, 1, 0].map(Rank.init))
  }
}

// MARK: Hysteresis

extension ShadowPolicyTests {
  /// A shadow at the edge may be made by one of the steps; it then stays.
  @Test("makes no shadow twice and drops none while counts vary a little", arguments: [0.6, 0.9, 1.2, 1.5, 1.8])
  func smallChanges(exponent: Double) {
    let example = LayerExample.s4(exponent: exponent)
    var plan = example.policy.plan(example.load, owners: example.owners)
    var changes = 0
    for seed in 0..<20 {
      let step = example.varied(by: 0.02, seed: seed)
      let next = step.policy.plan(step.load, owners: step.owners, previous: plan)
      if next != plan { changes += 1 }
      for chain in plan.chains { #expect(next.chains.contains(chain), "step \(seed)") }
      plan = next
    }
    #expect(changes <= 1)
  }

  /// As the load shifts slowly from one expert to even, there is a range in which a shadow is kept but would not be made.
  @Test("makes a shadow later than it drops it")
  func band() throws {
    let example = LayerExample.s4(exponent: 0)
    let steps = (0...50).map { step -> LayerExample in
      let popular = 64 + step * 64
      let row = (0..<64).map { $0 == 0 ? popular : (4096 - popular) / 63 }
      return LayerExample(
        costs: example.costs,
        load: RoutingLoad(
          tokenCounts: Array(repeating: 4096, count: 4), expertsPerToken: 1, expertCount: 64,
          counts: (0..<4).flatMap { _ in row }), owners: example.owners)
    }
    func changes(_ steps: [LayerExample], margin: Double) -> [Int] {
      let policy = ShadowPolicy(costs: example.costs, memoryBytes: 1 << 30, margin: margin)
      var (plan, changes) = (ShadowPlan.none, [Int]())
      for example in steps {
        let next = policy.plan(example.load, owners: example.owners, previous: plan)
        if next.isEmpty != plan.isEmpty { changes.append(example.load[0, 0]) }
        plan = next
      }
      return changes
    }
    let narrow = changes(steps, margin: 0) + changes(steps.reversed(), margin: 0).dropFirst()
    let wide = changes(steps, margin: 0.1) + changes(steps.reversed(), margin: 0.1).dropFirst()
    try #require(narrow.count == 2 && wide.count == 2, "\(narrow) and \(wide)")
    #expect(wide[1] < wide[0], "dropped at \(wide[1]), made at \(wide[0])")
    #expect(wide[0] > narrow[0], "made at \(wide[0]), without margin at \(narrow[0])")
  }

  @Test("forgets the shadows of an expert that has moved")
  func movedExpert() {
    let example = LayerExample.s4(exponent: 1.8)
    let plan = example.policy.plan(example.load, owners: example.owners)
    #expect(!plan.ranks(of: GlobalExpert(0)).contains(Rank(0)))
    var owners = example.owners
    owners.swapAt(0, 63)
    let next = example.policy.plan(example.load, owners: owners, previous: plan)
    #expect(next.chains.allSatisfy { $0.owner.index == owners[$0.expert.index] })
  }
}
