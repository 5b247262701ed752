import Planning
import TestSupport
import Testing
import Topology

@Suite("Dispatch plan")
struct DispatchPlanTests {
  @Test("has every kept assignment exactly once, by expert, then token", arguments: RandomExchange.seeds)
  func assignments(seed: Int) {
    let exchange = RandomExchange(seed: seed)
    for (plan, decision) in zip(exchange.plans, exchange.decisions) {
      for expert in 0..<exchange.placement.expertCount {
        let expected = (0..<decision.assignmentCount).filter {
          decision.isKept[$0] && Int(decision.expertIDs[$0]) == expert
        }
        let listed = plan.assignments[plan.slotOffsets[expert]..<plan.slotOffsets[expert + 1]]
        #expect(listed.map { Int($0.index) } == expected)
        #expect(listed.map(\.weight) == expected.map { decision.gateWeights[$0] })
        #expect(plan.assignmentCount(ofSlot: expert) == expected.count)
      }
      #expect(plan.assignments.count == decision.assignmentCount - decision.droppedCount)
    }
  }

  @Test(
    "sends a token to each peer of its experts once, by (first expert there, token)", arguments: RandomExchange.seeds)
  func rows(seed: Int) {
    let exchange = RandomExchange(seed: seed)
    for (plan, decision) in zip(exchange.plans, exchange.decisions) {
      #expect(plan.rowOffsets.first == 0 && plan.rowOffsets.last == plan.tokenOfRow.count)
      for peer in exchange.ranks {
        let visits = (0..<decision.tokenCount).compactMap { token -> (expert: Int32, token: Int)? in
          let experts = exchange.kept(of: token, at: peer, in: decision).map { decision.expertIDs[$0] }
          return experts.min().map { ($0, token) }
        }
        let expected = visits.sorted { ($0.expert, $0.token) < ($1.expert, $1.token) }.map(\.token)
        #expect(plan.tokenOfRow[plan.rows(to: peer)].map(Int.init) == expected)
      }
    }
  }

  @Test("points every assignment at the row that holds its token", arguments: RandomExchange.seeds)
  func rowOfAssignment(seed: Int) {
    let exchange = RandomExchange(seed: seed)
    for plan in exchange.plans {
      for peer in exchange.ranks {
        let tokens = Array(plan.tokenOfRow[plan.rows(to: peer)])
        for assignment in plan.assignments[plan.assignments(of: peer)] {
          #expect(Int(tokens[Int(assignment.row)]) == Int(assignment.index) / exchange.expertsPerToken)
        }
      }
    }
  }

  @Test("brings back one row for a token that one peer sums, else one per assignment", arguments: RandomExchange.seeds)
  func returnRows(seed: Int) {
    let exchange = RandomExchange(seed: seed)
    for (plan, decision) in zip(exchange.plans, exchange.decisions) {
      for peer in exchange.ranks {
        var summed: [Int32: [Int]] = [:]
        for assignment in plan.assignments[plan.assignments(of: peer)] {
          summed[assignment.returnRow, default: []].append(Int(assignment.index))
        }
        #expect(summed.keys.sorted() == (0..<plan.returnRowCounts[peer.index]).map(Int32.init))
        let expected = (0..<decision.tokenCount).flatMap { token -> [[Int]] in
          let here = exchange.kept(of: token, at: peer, in: decision)
          let isWhole = here == exchange.kept(of: token, in: decision)
          return here.isEmpty ? [] : isWhole ? [here] : here.map { [$0] }
        }
        #expect(Set(summed.values.map { $0.sorted() }) == Set(expected))
      }
    }
  }

  @Test("adds a token's results up in order of choice", arguments: RandomExchange.seeds)
  func parts(seed: Int) {
    let exchange = RandomExchange(seed: seed)
    for (plan, decision) in zip(exchange.plans, exchange.decisions) {
      #expect(plan.partOffsets.count == decision.tokenCount + 1)
      for token in 0..<decision.tokenCount {
        let range = Int(plan.partOffsets[token])..<Int(plan.partOffsets[token + 1])
        let summands = plan.parts[range].map { part -> [Int] in
          let peer = Rank(Int(part.peer))
          if peer == plan.rank { return [Int(plan.assignments[Int(part.index)].index)] }
          return plan.assignments[plan.assignments(of: peer)]
            .filter { $0.returnRow == part.index }.map { Int($0.index) }.sorted()
        }
        #expect(summands.flatMap(\.self) == exchange.kept(of: token, in: decision))
        // A sum taken elsewhere has the bits of the sum taken at home only if it is the whole sum.
        #expect(summands.count <= 1 || summands.allSatisfy { $0.count == 1 })
      }
    }
  }

  @Test("is received as it is sent, on all ranks together", arguments: RandomExchange.seeds)
  func sentIsReceived(seed: Int) {
    let exchange = RandomExchange(seed: seed)
    let plans = exchange.plans
    var received = Array(repeating: 0, count: exchange.placement.expertCount)
    for receiver in exchange.ranks {
      let plan = ReceivePlan(exchange.manifests(to: receiver))
      #expect(plan.rowCounts == plans.map { $0.rows(to: receiver).count })
      #expect(plan.returnRowCounts == plans.map { $0.returnRowCounts[receiver.index] })
      #expect(plan.assignments.map(\.count) == plans.map { $0.assignments(of: receiver).count })
      for (expert, count) in zip(exchange.placement.experts(of: receiver), plan.groupCounts) {
        received[expert] += count
      }
    }
    let sent = exchange.decisions.map { $0.rowCounts(expertCount: exchange.placement.expertCount) }
    #expect(received == received.indices.map { expert in sent.reduce(0) { $0 + $1[expert] } })
  }

  /// Experts 0–1 on rank 0, 2–3 on rank 1; seen from rank 0.
  ///
  ///     token 0: 2, 3    both on rank 1: one row there, one row back
  ///     token 1: 3, 0    one each: a row to both, a row back
  ///     token 2: 1, 0    both at home
  ///     token 3: 2 (dropped), 3
  @Test("of four tokens over two ranks, written out")
  func example() {
    let decision = RoutingDecision(
      expertsPerToken: 2, expertIDs: [2, 3, 3, 0, 1, 0, 2, 3], gateWeights: [1, 2, 3, 4, 5, 6, 7, 8],
      isKept: [true, true, true, true, true, true, false, true])
    let plan = DispatchPlan(decision, placement: ExpertPlacement(expertCount: 4, rankCount: 2), rank: Rank(0))
    #expect(plan.tokenOfRow == [1, 2, 0, 1, 3])
    #expect(plan.rowOffsets == [0, 2, 5])
    #expect(plan.slotOffsets == [0, 2, 3, 4, 7])
    #expect(plan.assignments.map(\.index) == [3, 5, 4, 0, 1, 2, 7])
    #expect(plan.assignments.map(\.row) == [0, 1, 1, 0, 0, 1, 2])
    #expect(plan.assignments.map(\.weight) == [4, 6, 5, 1, 2, 3, 8])
    #expect(plan.returnRowCounts[1] == 3)
    #expect(plan.assignments[3...].map(\.returnRow) == [0, 0, 1, 2])
    let parts = plan.parts.map { [$0.peer, $0.index] }
    #expect(parts == [[1, 0], [1, 1], [0, 0], [0, 2], [0, 1], [1, 2]])
    #expect(plan.partOffsets == [0, 1, 3, 5, 6])
  }
}
