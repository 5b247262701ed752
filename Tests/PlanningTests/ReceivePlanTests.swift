import Planning
import TestSupport
import Testing
import Topology

@Suite("Receive plan")
struct ReceivePlanTests {
  @Test("puts each expert's rows in one aligned group", arguments: RandomExchange.seeds)
  func groups(seed: Int) {
    let exchange = RandomExchange(seed: seed)
    for receiver in exchange.ranks {
      let plan = ReceivePlan(exchange.manifests(to: receiver))
      #expect(plan.expertCount == exchange.placement.experts(of: receiver).count)
      var end = 0
      for (local, expert) in exchange.placement.experts(of: receiver).enumerated() {
        let group = plan.group(LocalExpert(local))
        let padded = plan.paddedGroup(LocalExpert(local))
        let wanted = exchange.decisions.reduce(0) {
          $0 + $1.rowCounts(expertCount: exchange.placement.expertCount)[expert]
        }
        #expect(group.count == wanted)
        #expect(padded.lowerBound == end && padded.lowerBound == group.lowerBound)
        #expect(padded.lowerBound % ReceivePlan.alignment == 0 && padded.upperBound % ReceivePlan.alignment == 0)
        #expect((0..<ReceivePlan.alignment).contains(padded.upperBound - group.upperBound))
        end = padded.upperBound
      }
      #expect(plan.paddedRowCount == end)
    }
  }

  @Test("has the rows of a group by source, then token, without gaps", arguments: RandomExchange.seeds)
  func positions(seed: Int) {
    let exchange = RandomExchange(seed: seed)
    for receiver in exchange.ranks {
      let plan = ReceivePlan(exchange.manifests(to: receiver))
      for (local, expert) in exchange.placement.experts(of: receiver).enumerated() {
        var places: [Int] = []
        for (source, decision) in exchange.decisions.enumerated() {
          let here = zip(plan.assignments[source], plan.positions[source]).filter {
            Int(decision.expertIDs[Int($0.0.index)]) == expert
          }
          // In order of the token, each once.
          #expect(here.map(\.0.index) == here.map(\.0.index).sorted())
          places += here.map { Int($0.1) }
        }
        #expect(places == Array(plan.group(LocalExpert(local))))
      }
    }
  }

  @Test("is the same for the same tokens on any number of ranks", arguments: 0..<30)
  func rankCount(seed: Int) {
    var generator = SeededGenerator(seed: seed)
    let (tokenCount, expertCount, choices) = (23, 6, 2)
    let experts = (0..<tokenCount).flatMap { _ in generator.distinct(choices, below: expertCount).map(Int32.init) }
    let orders = [1, 2, 3, 4].map { rankCount in
      groupOrders(of: experts, choices: choices, expertCount: expertCount, rankCount: rankCount, &generator)
    }
    #expect(orders.allSatisfy { $0 == orders[0] })
  }

  /// For each expert, its rows as assignments of the whole batch, which is cut anywhere into one block per rank.
  private func groupOrders(
    of experts: [Int32], choices: Int, expertCount: Int, rankCount: Int, _ generator: inout SeededGenerator
  ) -> [[Int]] {
    let tokenCount = experts.count / choices
    let cuts =
      [0] + (1..<rankCount).map { _ in Int.random(in: 0...tokenCount, using: &generator) }.sorted() + [tokenCount]
    let placement = ExpertPlacement(expertCount: expertCount, rankCount: rankCount)
    let plans = placement.ranks.map { rank in
      let block = Array(experts[cuts[rank.index] * choices..<cuts[rank.index + 1] * choices])
      let decision = RoutingDecision(
        expertsPerToken: choices, expertIDs: block, gateWeights: block.map { _ in 1 })
      return DispatchPlan(decision, placement: placement, rank: rank)
    }
    return placement.ranks.flatMap { receiver in
      let received = ReceivePlan(plans.map { DispatchManifest($0, to: receiver, sequence: 0, hiddenSize: 1) })
      var rows: [Int32: Int] = [:]
      for source in placement.ranks {
        for (assignment, place) in zip(received.assignments[source.index], received.positions[source.index]) {
          rows[place] = cuts[source.index] * choices + Int(assignment.index)
        }
      }
      return (0..<received.expertCount).map { local in
        received.group(LocalExpert(local)).map { rows[Int32($0)] ?? -1 }
      }
    }
  }
}

@Suite("Return plan")
struct ReturnPlanTests {
  /// The whole exchange with results that are texts: what comes home must be the token's kept assignments in order.
  @Test(
    "brings home every token's results in order of choice, also from shadows", arguments: RandomExchange.seeds,
    [false, true])
  func exchangeAsText(seed: Int, isShadowed: Bool) {
    let exchange = RandomExchange(seed: seed, isShadowed: isShadowed)
    let plans = exchange.plans
    let received = exchange.ranks.map { ReceivePlan(exchange.manifests(to: $0)) }
    for (plan, decision) in zip(plans, exchange.decisions) {
      let returned = exchange.ranks.map { returnRows(of: received[$0.index], to: plan.rank, decision) }
      let firstOwn = plan.assignments(of: plan.rank).lowerBound
      for token in 0..<decision.tokenCount {
        let parts = plan.parts[Int(plan.partOffsets[token])..<Int(plan.partOffsets[token + 1])]
        let sum = parts.map { part -> String in
          guard Int(part.peer) == plan.rank.index else { return returned[Int(part.peer)][Int(part.index)] }
          let place = received[plan.rank.index].positions[plan.rank.index][Int(part.index) - firstOwn]
          return expertRows(of: received[plan.rank.index], from: plan.rank, decision)[place] ?? "nothing"
        }
        let expected = exchange.kept(of: token, in: decision).map { name(of: $0, decision) }
        #expect(sum.joined(separator: " + ") == expected.joined(separator: " + "))
      }
    }
  }

  @Test("sums in order of choice where the manifest is in order of expert")
  func choiceOrder() {
    // One token whose choices are experts 2, 0, 1, all on rank 1.
    let placement = ExpertPlacement(expertCount: 6, rankCount: 2)
    let decision = RoutingDecision(expertsPerToken: 3, expertIDs: [5, 3, 4], gateWeights: [1, 1, 1])
    let plan = DispatchPlan(decision, placement: placement, rank: Rank(0))
    let empty = DispatchPlan(
      RoutingDecision(expertsPerToken: 3, expertIDs: [], gateWeights: []), placement: placement, rank: Rank(1))
    let received = ReceivePlan([plan, empty].map { DispatchManifest($0, to: Rank(1), sequence: 0, hiddenSize: 4) })
    let returns = ReturnPlan(received, source: Rank(0))
    #expect(returns.offsets == [0, 3])
    #expect(returns.positions == [32, 0, 16])
    #expect(ReturnPlan(received, source: Rank(1)).offsets == [0])
  }

  private func name(of assignment: Int, _ decision: RoutingDecision) -> String {
    "choice \(assignment) by expert \(decision.expertIDs[assignment])"
  }

  /// The texts in a receiver's expert rows that belong to one source.
  private func expertRows(
    of plan: ReceivePlan, from source: Rank, _ decision: RoutingDecision
  ) -> [Int32: String] {
    Dictionary(
      uniqueKeysWithValues: zip(plan.positions[source.index], plan.assignments[source.index]).map {
        ($0.0, name(of: Int($0.1.index), decision))
      })
  }

  private func returnRows(of plan: ReceivePlan, to source: Rank, _ decision: RoutingDecision) -> [String] {
    let rows = expertRows(of: plan, from: source, decision)
    let returns = ReturnPlan(plan, source: source)
    return (0..<plan.returnRowCounts[source.index]).map { row in
      returns.positions[Int(returns.offsets[row])..<Int(returns.offsets[row + 1])]
        .map { rows[$0] ?? "nothing" }.joined(separator: " + ")
    }
  }
}
