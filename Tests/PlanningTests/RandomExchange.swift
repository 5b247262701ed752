import Planning
import TestSupport
import Topology

/// The decisions of all ranks of one exchange, drawn at random: any number of ranks, experts that the ranks do not divide,
/// ranks without tokens, dropped assignments.
struct RandomExchange {
  let placement: ExpertPlacement
  let expertsPerToken: Int
  let decisions: [RoutingDecision]
  /// Experts of other ranks that each rank shadows, in order. [P]
  let shadows: [[GlobalExpert]]

  static let seeds = 0..<150

  init(
    seed: Int, rankCounts: ClosedRange<Int> = 1...5, tokenCounts: ClosedRange<Int> = 0...40, isShadowed: Bool = false
  ) {
    var generator = SeededGenerator(seed: seed)
    let rankCount = Int.random(in: rankCounts, using: &generator)
    let expertCount = Int.random(in: 1...9, using: &generator)
    let choices = Int.random(in: 1...min(4, expertCount), using: &generator)
    let dropShare: Double = [0.0, 0.0, 0.2, 0.6, 1.0].randomElement(using: &generator) ?? 0
    // Some runs crowd the tokens on few experts.
    let popular = Bool.random(using: &generator) ? expertCount : max(choices, expertCount / 2)
    placement = ExpertPlacement(expertCount: expertCount, rankCount: rankCount)
    expertsPerToken = choices
    var decisions: [RoutingDecision] = []
    for _ in 0..<rankCount {
      let tokenCount = Bool.random(using: &generator) ? Int.random(in: tokenCounts, using: &generator) : 0
      var experts: [Int32] = []
      for _ in 0..<tokenCount { experts += generator.distinct(choices, below: popular).map(Int32.init) }
      let isKept = experts.map { _ in Double.random(in: 0..<1, using: &generator) >= dropShare }
      decisions.append(
        RoutingDecision(
          expertsPerToken: choices, expertIDs: experts, gateWeights: generator.floats(experts.count), isKept: isKept))
    }
    self.decisions = decisions
    shadows = placement.ranks.map { [placement] rank in
      guard isShadowed else { return [] }
      let foreign = (0..<expertCount).filter { !placement.experts(of: rank).contains($0) }
      return foreign.filter { _ in Bool.random(using: &generator) }.map(GlobalExpert.init)
    }
  }

  var ranks: [Rank] { placement.ranks }

  func plan(of rank: Rank) -> DispatchPlan {
    DispatchPlan(decisions[rank.index], placement: placement, rank: rank, shadows: shadows[rank.index])
  }

  var plans: [DispatchPlan] { ranks.map(plan(of:)) }

  /// What every source tells one receiver.
  func manifests(to receiver: Rank) -> [DispatchManifest] {
    plans.map { DispatchManifest($0, to: receiver, sequence: 3, hiddenSize: 8) }
  }

  /// The rank that hosts the expert of an assignment, found by looking through all ranks.
  func host(of assignment: Int, in decision: RoutingDecision) -> Rank? {
    ranks.first { placement.experts(of: $0).contains(Int(decision.expertIDs[assignment])) }
  }

  /// The kept assignments of a token that a peer has to compute, in order of choice.
  func kept(of token: Int, at peer: Rank? = nil, in decision: RoutingDecision) -> [Int] {
    (token * expertsPerToken..<(token + 1) * expertsPerToken).filter { assignment in
      decision.isKept[assignment] && (peer == nil || host(of: assignment, in: decision) == peer)
    }
  }
}

extension RandomExchange {
  /// The plans of all ranks, cut at random.
  func exchangePlans(_ generator: inout SeededGenerator) -> [ExchangePlan] {
    let chunkRows = [1, 2, 3, 7, 16, 1000].random(&generator)
    let largest = [16, 32, 48, 256].random(&generator)
    let cut = TaskCut(largest: largest, smallest: [1, 16, 32, 64].filter { $0 <= largest }.random(&generator))
    return exchangePlans(chunkRows: chunkRows, cut: cut)
  }

  func exchangePlans(chunkRows: Int, cut: TaskCut) -> [ExchangePlan] {
    let plans = plans
    return plans.map { plan in
      let manifests = plans.map { DispatchManifest($0, to: plan.rank, sequence: 3, hiddenSize: 8) }
      return ExchangePlan(dispatch: plan, received: ReceivePlan(manifests), chunkRows: chunkRows, cut: cut)
    }
  }
}

extension Array {
  /// An element of an array that has some.
  func random(_ generator: inout SeededGenerator) -> Element { self[Int.random(in: indices, using: &generator)] }
}
