import Planning
import TestSupport
import Testing
import Topology

@Suite("Replacement policy")
struct ReplacementPolicyTests {
  private func policy(_ example: LayerExample, moveLimit: Int = 16) -> ReplacementPolicy {
    ReplacementPolicy(costs: example.costs, moveLimit: moveLimit)
  }

  private func times(_ load: RoutingLoad, _ count: Int) -> RoutingLoad {
    RoutingLoad(
      tokenCounts: load.tokenCounts.map { $0 * count }, expertsPerToken: load.expertsPerToken,
      expertCount: load.expertCount, counts: load.counts.map { $0 * count })
  }

  @Test("moves nothing where loads are equal")
  func equalLoads() {
    let example = LayerExample.s4(exponent: 0)
    #expect(policy(example).replacement(times(example.load, 100), stepCount: 100, owners: example.owners) == nil)
  }

  @Test("spreads the hot experts of one rank", arguments: [LayerPasses.forward, .training])
  func hotRank(passes: LayerPasses) throws {
    let example = LayerExample.s4(exponent: 0.8, passes: passes)
    let replacement = try #require(
      policy(example).replacement(times(example.load, 100), stepCount: 100, owners: example.owners))
    #expect(Set(replacement.owners[0..<4]).count > 1)
    #expect(replacement.moves.count <= 16)
    let after = example.costs.predictedSeconds(example.load, owners: replacement.owners)
    let even = LayerExample.s4(exponent: 0, passes: passes).predicted()
    #expect(after < 1.1 * even, "\(example.predicted()) s, then \(after) s, evenly \(even) s")
  }

  @Test("moves nothing that its own bytes do not pay for before the next time")
  func amortisation() {
    let example = LayerExample.s4(exponent: 0.8)
    #expect(policy(example).replacement(example.load, stepCount: 1, owners: example.owners) == nil)
    #expect(policy(example).replacement(times(example.load, 50), stepCount: 50, owners: example.owners) != nil)
  }

  /// Each rank's tokens want the experts of its neighbour: their exchange is all there is to win.
  @Test("brings experts to where their tokens are")
  func locality() throws {
    let costs = LayerExample.s4(exponent: 0).costs
    let owners = LayerExample.contiguousOwners(expertCount: 12, rankCount: 4)
    let counts = (0..<4).flatMap { rank in owners.map { $0 == (rank + 1) % 4 ? 1024 : 0 } }
    let load = RoutingLoad(
      tokenCounts: Array(repeating: 3072, count: 4), expertsPerToken: 1, expertCount: 12, counts: counts)
    let replacement = try #require(
      ReplacementPolicy(costs: costs, moveLimit: 12).replacement(times(load, 100), stepCount: 100, owners: owners))
    #expect(replacement.owners == owners.map { ($0 + 3) % 4 })
  }

  @Test("keeps each rank's number, the limit of moves and its promise, and is repeatable", arguments: 0..<200)
  func properties(seed: Int) {
    let example = LayerExample(seed: seed)
    let limit = seed % 7
    let load = times(example.load, 20)
    let policy = policy(example, moveLimit: limit)
    let replacement = policy.replacement(load, stepCount: 20, owners: example.owners)
    #expect(replacement == policy.replacement(load, stepCount: 20, owners: example.owners))
    guard let replacement else { return }
    for rank in 0..<example.load.rankCount {
      #expect(replacement.owners.count { $0 == rank } == example.owners.count { $0 == rank })
    }
    #expect((2...max(2, limit)).contains(replacement.moves.count))
    var owners = example.owners
    for move in replacement.moves {
      #expect(owners[move.expert.index] == move.from.index && move.from != move.to)
      owners[move.expert.index] = move.to.index
    }
    #expect(owners == replacement.owners)
    let after = example.costs.predictedSeconds(example.load, owners: replacement.owners)
    #expect(after < 0.95 * example.predicted())
  }

  @Test("moves in some random layers and not in others")
  func randomLayersVary() {
    let moved = (0..<200).map { LayerExample(seed: $0) }
      .count { policy($0).replacement(times($0.load, 20), stepCount: 20, owners: $0.owners) != nil }
    #expect((20...180).contains(moved), "\(moved) of 200")
  }
}
