import Topology

/// Decides which ranks shadow which experts, from counts and costs that are the same on all ranks.
///
/// Experts are taken in descending order of the rows that travel to them. For each, the ranks that send rows are added to
/// its chain in descending order of rows, and the chain is cut where the predicted time was least: a first replica may
/// cost the owner's link more than it saves, and only further ones, which cost it nothing, pay for it.
/// FasterMoE (PPoPP 2022, algorithm 1) instead replicates on all ranks and stops at the first expert that does not pay.
///
/// - Complexity: O(E·W·(E/W + log W)) for E experts on W ranks.
package struct ShadowPolicy: Hashable, Sendable {
  package let costs: LayerCosts
  /// What a rank may spend on a layer's shadows: their parameters and, when training, as much for gradients.
  package let memoryBytes: Int
  /// The share of the predicted time that a change of an expert's chain must win: a shadow is made if it saves more, and
  /// dropped if it costs more or if all together save nothing. 2 % is above what counts vary by from step to step (√n of
  /// some thousand rows), and below what is worth a broadcast.
  package let margin: Double

  package init(costs: LayerCosts, memoryBytes: Int, margin: Double = 0.02) {
    self.costs = costs
    self.memoryBytes = memoryBytes
    self.margin = margin
  }

  /// Never predicts more time than without shadows.
  ///
  /// - Parameters:
  ///   - owners: the rank that hosts each expert. [E]
  ///   - previous: the plan of the step before; shadows of experts that have moved since are forgotten.
  package func plan(_ load: RoutingLoad, owners: [Int], previous: ShadowPlan = .none) -> ShadowPlan {
    var search = ShadowSearch(self, load, owners: owners)
    search.take(previous)
    search.improve()
    search.prune(keeping: previous)
    let plan = search.plan
    guard !plan.isEmpty else { return .none }
    let seconds = costs.predictedSeconds(load, owners: owners, shadows: plan)
    return seconds < costs.predictedSeconds(load, owners: owners) ? plan : .none
  }
}

private struct ShadowSearch {
  private let policy: ShadowPolicy
  private var loads: LayerLoads
  /// How many more shadows each rank has memory for. [W]
  private var room: [Int]
  /// Experts that other ranks send rows to, most rows first.
  private let order: [Int]

  init(_ policy: ShadowPolicy, _ load: RoutingLoad, owners: [Int]) {
    self.policy = policy
    loads = LayerLoads(policy.costs, load, owners: owners)
    let shadowBytes = policy.costs.shape.parameterBytes * (policy.costs.passes == .training ? 2 : 1)
    room = Array(repeating: max(0, policy.memoryBytes) / max(1, shadowBytes), count: load.rankCount)
    let rows = load.rowsPerExpert
    let travelling = owners.indices.map { rows[$0] - load[owners[$0], $0] }
    order = owners.indices.filter { travelling[$0] > 0 }
      .sorted { (-travelling[$0], $0) < (-travelling[$1], $1) }
  }

  var plan: ShadowPlan {
    ShadowPlan(
      loads.chains.indices.filter { !loads.chains[$0].isEmpty }.map { expert in
        ShadowPlan.Chain(
          expert: GlobalExpert(expert), owner: Rank(loads.owners[expert]), ranks: loads.chains[expert].map(Rank.init))
      })
  }

  mutating func take(_ previous: ShadowPlan) {
    for chain in previous.chains where chain.owner.index == loads.owners[chain.expert.index] {
      for rank in chain.ranks where room[rank.index] > 0 { add(chain.expert.index, rank.index) }
    }
  }

  mutating func improve() {
    loads.refresh()
    for expert in order { improve(expert) }
  }

  /// Replaces an expert's chain by the best one that starts with the ranks that send it most, if that wins by the margin.
  private mutating func improve(_ expert: Int) {
    let filling = loads.longestFilling(without: expert)
    let (current, before) = (loads.chains[expert], loads.smoothSeconds(changing: expert, otherFilling: filling))
    let enough = before * (1 - policy.margin)
    if current.isEmpty && loads.leastSmoothSeconds(shadowing: expert, otherFilling: filling) >= enough { return }
    for rank in current { remove(expert, rank) }
    let candidates = senders(to: expert)
    var best = (seconds: loads.smoothSeconds(changing: expert, otherFilling: filling), count: 0)
    for (index, rank) in candidates.enumerated() {
      add(expert, rank)
      let seconds = loads.smoothSeconds(changing: expert, otherFilling: filling)
      if seconds < best.seconds { best = (seconds, index + 1) }
    }
    let isBetter = best.seconds < enough
    for rank in candidates[(isBetter ? best.count : 0)...] { remove(expert, rank) }
    if !isBetter { for rank in current { add(expert, rank) } }
    loads.refresh()
  }

  /// The ranks that want rows of another rank's expert and have memory for it: most rows first, then the lower rank.
  private func senders(to expert: Int) -> [Int] {
    let ranks = room.indices.filter { room[$0] > 0 && $0 != loads.owners[expert] && loads.load[$0, expert] > 0 }
    // One integer a rank sorts faster than pairs do.
    return ranks.map { loads.load[$0, expert] * room.count + room.count - 1 - $0 }.sorted(by: >)
      .map { room.count - 1 - $0 % room.count }
  }

  /// The search follows a soft maximum; what does not pay by the hard one goes, the expert of the fewest rows first.
  mutating func prune(keeping previous: ShadowPlan) {
    var kept = Array(repeating: false, count: loads.owners.count)
    for chain in previous.chains { kept[chain.expert.index] = true }
    for expert in order.reversed() where !loads.chains[expert].isEmpty {
      let (chain, seconds) = (loads.chains[expert], loads.predictedSeconds)
      for rank in chain { remove(expert, rank) }
      let without = loads.predictedSeconds
      let pays = kept[expert] ? seconds * (1 - policy.margin) <= without : seconds <= without * (1 - policy.margin)
      if pays { for rank in chain { add(expert, rank) } }
    }
  }

  private mutating func add(_ expert: Int, _ rank: Int) {
    loads.addShadow(of: expert, on: rank)
    room[rank] -= 1
  }

  private mutating func remove(_ expert: Int, _ rank: Int) {
    loads.removeShadow(of: expert, on: rank)
    room[rank] += 1
  }
}
