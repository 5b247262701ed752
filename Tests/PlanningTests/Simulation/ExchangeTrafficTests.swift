import Planning
import Testing
import Topology

@Suite("Expected traffic")
struct ExchangeTrafficTests {
  /// What popularity is when every sequence of draws is followed: with weights, without replacement.
  private func drawn(_ weights: [Double], _ count: Int) -> [Double] {
    var inclusion = Array(repeating: 0.0, count: weights.count)
    func draw(_ chosen: [Int], _ probability: Double) {
      guard chosen.count < count else {
        for expert in chosen { inclusion[expert] += probability }
        return
      }
      let rest = weights.indices.filter { !chosen.contains($0) }
      let total = rest.reduce(0) { $0 + weights[$1] }
      for expert in rest { draw(chosen + [expert], probability * weights[expert] / total) }
    }
    draw([], 1)
    return inclusion
  }

  private func zipf(_ count: Int, squared: Bool) -> [Double] {
    (1...count).map { 1 / Double(squared ? $0 * $0 : $0) }
  }

  @Test("popularity is that of drawing without replacement", arguments: [1, 2, 3], [false, true])
  func popularity(choices: Int, squared: Bool) {
    let weights = zipf(8, squared: squared)
    let expected = drawn(weights, choices)
    let found = ExpertPopularity(weights: weights, expertsPerToken: choices).inclusion
    #expect(abs(found.reduce(0, +) - Double(choices)) < 1e-9)
    // The race's time is taken as fixed, which is exact for one choice only in the limit of many experts.
    for (found, expected) in zip(found, expected) { #expect(abs(found - expected) < 0.06, "\(found) \(expected)") }
  }

  @Test("a policy is told the first group's tokens and counts")
  func load() {
    let popularity = ExpertPopularity(weights: zipf(6, squared: true), expertsPerToken: 2)
    let traffic = ExchangeTraffic(
      popularity, tokenCount: 103, topology: ParallelTopology(worldSize: 6, expertParallelSize: 3))
    let load = traffic.load(expertsPerToken: 2)
    #expect(load.tokenCounts == traffic.tokenCounts.prefix(3).map(Int.init) && load.expertCount == 6)
    for rank in 0..<3 {
      #expect((0..<6).reduce(0) { $0 + load[rank, $1] } == 2 * load.tokenCounts[rank])
      for peer in 0..<3 {
        let sum = traffic.placement.experts(of: Rank(peer)).reduce(0) { $0 + load[rank, $1] }
        #expect(sum == Int(traffic.assignments[traffic.pair(from: rank, to: peer)]))
      }
    }
  }

  @Test func evenWeightsAreChosenEvenly() {
    let found = ExpertPopularity(weights: Array(repeating: 3, count: 8), expertsPerToken: 2).inclusion
    for value in found { #expect(abs(value - 0.25) < 1e-12) }
    let all = ExpertPopularity(weights: [1, 2, 3], expertsPerToken: 3).inclusion
    #expect(all == [1, 1, 1])
  }

  /// 2 ranks of 4 experts, top-2: both choices are on one rank for 6 of 28 pairs of experts each.
  @Test func rowsTravelOnceAndWholeTokensReturnOnce() {
    let popularity = ExpertPopularity(weights: Array(repeating: 1, count: 8), expertsPerToken: 2)
    let traffic = ExchangeTraffic(
      popularity, tokenCount: 5600, topology: ParallelTopology(worldSize: 2, expertParallelSize: 2))
    for pair in [traffic.pair(from: 0, to: 1), traffic.pair(from: 1, to: 0)] {
      #expect(traffic.assignments[pair] == 2800)
      #expect(traffic.rows[pair] == 2200)  // 2800 · 22/28
      #expect(traffic.returnRows[pair] == 2200)  // 2800 assignments, 600 whole tokens save one row each
    }
  }

  @Test("counts are exact for each rank and even over ranks", arguments: [(6, 12, 1001), (16, 64, 3200), (5, 7, 3)])
  func countsAddUp(ranks: Int, experts: Int, tokens: Int) {
    let popularity = ExpertPopularity(weights: zipf(experts, squared: false), expertsPerToken: 2)
    let traffic = ExchangeTraffic(
      popularity, tokenCount: tokens, topology: ParallelTopology(worldSize: ranks, expertParallelSize: ranks))
    for rank in 0..<ranks {
      let sent = (0..<ranks).reduce(0) { $0 + Int(traffic.assignments[traffic.pair(from: rank, to: $1)]) }
      #expect(sent == 2 * Int(traffic.tokenCounts[rank]))
      for peer in 0..<ranks {
        let pair = traffic.pair(from: rank, to: peer)
        #expect(traffic.rows[pair] <= traffic.assignments[pair] && traffic.rows[pair] <= traffic.tokenCounts[rank])
        #expect(traffic.returnRows[pair] <= traffic.assignments[pair] && traffic.returnRows[pair] >= traffic.rows[pair])
        #expect((traffic.rows[pair] > 0) == (traffic.assignments[pair] > 0))
      }
    }
    for expert in 0..<experts {
      let count = traffic.entries(group: 0, expert: expert).reduce(0) { $0 + $1.count }
      let expected = Double(tokens) * popularity.inclusion[expert]
      #expect(abs(Double(count) - expected) <= 3, "expert \(expert): \(count), expected \(expected)")
    }
  }

  @Test func rowsStayInsideAGroup() {
    let popularity = ExpertPopularity(weights: Array(repeating: 1, count: 2), expertsPerToken: 1)
    let traffic = ExchangeTraffic(
      popularity, tokenCount: 400, topology: ParallelTopology(worldSize: 4, expertParallelSize: 2))
    #expect(traffic.rows.count == 8)
    for group in 0..<2 {
      for expert in 0..<2 { #expect(Array(traffic.entries(group: group, expert: expert)).map(\.count) == [50, 50]) }
    }
  }
}
