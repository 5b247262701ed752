import Planning
import TestSupport
import Topology

/// The decisions of all ranks of one exchange, drawn at random: any number of ranks, experts that the ranks do not divide,
/// ranks without tokens, dropped assignments.
struct RandomExchange {
  let placement: ExpertPlacement
  let expertsPerToken: Int
  let decisions: [RoutingDecision]

  static let seeds = 0..<150

  init(seed: Int) {
    var generator = SeededGenerator(seed: seed)
    let rankCount = Int.random(in: 1...5, using: &generator)
    let expertCount = Int.random(in: 1...9, using: &generator)
    let choices = Int.random(in: 1...min(4, expertCount), using: &generator)
    let dropShare: Double = [0.0, 0.0, 0.2, 0.6, 1.0].randomElement(using: &generator) ?? 0
    // Some runs crowd the tokens on few experts.
    let popular = Bool.random(using: &generator) ? expertCount : max(choices, expertCount / 2)
    placement = ExpertPlacement(expertCount: expertCount, rankCount: rankCount)
    expertsPerToken = choices
    var decisions: [RoutingDecision] = []
    for _ in 0..<rankCount {
      let tokenCount = Bool.random(using: &generator) ? Int.random(in: 0...40, using: &generator) : 0
      var experts: [Int32] = []
      for _ in 0..<tokenCount { experts += generator.distinct(choices, below: popular).map(Int32.init) }
      let isKept = experts.map { _ in Double.random(in: 0..<1, using: &generator) >= dropShare }
      decisions.append(
        RoutingDecision(
          expertsPerToken: choices, expertIDs: experts, gateWeights: generator.floats(experts.count), isKept: isKept))
    }
    self.decisions = decisions
  }

  var ranks: [Rank] { placement.ranks }

  func plan(of rank: Rank) -> DispatchPlan {
    DispatchPlan(decisions[rank.index], placement: placement, rank: rank)
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
