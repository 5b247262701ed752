import Planning
import TestSupport
import Testing
import Topology

/// Plans of ranks that compute their own rows for some experts of other ranks.
@Suite("Shadowed dispatch")
struct ShadowedDispatchTests {
  static let exchanges = RandomExchange.seeds.map { RandomExchange(seed: $0, isShadowed: true) }
  static let seeds = RandomExchange.seeds

  @Test("keeps rows of shadowed experts at home", arguments: seeds)
  func rows(seed: Int) {
    let exchange = Self.exchanges[seed]
    for (plan, decision) in zip(exchange.plans, exchange.decisions) {
      for peer in exchange.ranks {
        let tokens = plan.tokenOfRow[plan.rows(to: peer)].map(Int.init)
        #expect(tokens == exchange.rowTokens(from: plan.rank, to: peer))
        let listed = plan.assignments[plan.assignments(of: peer)].map { Int($0.index) }
        let expected = exchange.experts(of: peer, for: plan.rank).flatMap {
          exchange.assignments(of: $0, from: plan.rank, at: peer)
        }
        #expect(listed == expected)
        let isShadow = listed.map {
          exchange.shadows[plan.rank.index].contains(decision.expert(ofAssignment: $0))
        }
        #expect(peer == plan.rank || !isShadow.contains(true))
      }
    }
  }

  @Test("tells other ranks nothing of shadowed experts", arguments: seeds)
  func manifests(seed: Int) {
    let exchange = Self.exchanges[seed]
    for plan in exchange.plans {
      for peer in exchange.ranks {
        let manifest = DispatchManifest(plan, to: peer, sequence: 3, hiddenSize: 8)
        let experts = exchange.experts(of: peer, for: plan.rank)
        #expect(
          manifest.countsPerExpert
            == experts.map { exchange.assignments(of: $0, from: plan.rank, at: peer).count })
        guard peer != plan.rank else { continue }
        let shadowed = zip(experts, manifest.countsPerExpert).filter {
          plan.shadows.contains(GlobalExpert($0.0))
        }
        #expect(shadowed.allSatisfy { $0.1 == 0 })
      }
    }
  }

  @Test("has the shadows' groups behind those of hosted experts, with this rank's rows only", arguments: seeds)
  func groups(seed: Int) {
    let exchange = Self.exchanges[seed]
    for receiver in exchange.ranks {
      let plan = ReceivePlan(exchange.manifests(to: receiver))
      let hosted = exchange.placement.experts(of: receiver).count
      #expect(plan.expertCount == hosted + exchange.shadows[receiver.index].count)
      for (order, shadow) in exchange.shadows[receiver.index].enumerated() {
        let expert = LocalExpert(hosted + order)
        let own = exchange.assignments(of: shadow.index, from: receiver, at: receiver)
        #expect(plan.group(expert).count == own.count)
        #expect(plan.sourceCounts(expert).enumerated().allSatisfy { $0.offset == receiver.index || $0.element == 0 })
        let places = zip(plan.assignments[receiver.index], plan.positions[receiver.index])
          .filter { own.contains(Int($0.0.index)) }.map { Int($0.1) }
        #expect(places == Array(plan.group(expert)))
      }
    }
  }

  /// Without shadowed rows these tests would say what those of plain plans say.
  @Test("is tried with rows of shadowed experts")
  func coverage() {
    let shadowedRows = Self.exchanges.map { exchange in
      exchange.ranks.reduce(0) { sum, rank in
        exchange.shadows[rank.index].reduce(sum) {
          $0 + exchange.assignments(of: $1.index, from: rank, at: rank).count
        }
      }
    }
    #expect(shadowedRows.count { $0 > 0 } > 30)
  }
}
