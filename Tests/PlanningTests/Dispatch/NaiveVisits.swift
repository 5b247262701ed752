import Planning
import Topology

/// The assignments that one rank computes, each found by looking through the routing decisions.
struct NaiveVisits {
  struct Visit {
    let source: Rank
    /// Among the experts' rows.
    let place: Int
    /// Among the rows that the source sends.
    let row: Int
    /// Among the results that the source gets.
    let returnRow: Int
  }

  let all: [Visit]

  init(_ exchange: RandomExchange, to plan: ExchangePlan) {
    all = exchange.ranks.flatMap { source in Self.visits(exchange, from: source, to: plan) }
  }

  private static func visits(_ exchange: RandomExchange, from source: Rank, to plan: ExchangePlan) -> [Visit] {
    let receiver = plan.own
    let rows = exchange.rowTokens(from: source, to: receiver).enumerated()
    let rowOfToken = Dictionary(uniqueKeysWithValues: rows.map { ($0.element, $0.offset) })
    let results = exchange.results(from: source, to: receiver).enumerated()
    let returnRows = Dictionary(
      uniqueKeysWithValues: results.flatMap { row, summands in summands.map { ($0, row) } })
    return exchange.experts(of: receiver, for: source).enumerated().flatMap { local, expert in
      let before = (0..<source.index).reduce(0) {
        $0 + exchange.assignments(of: expert, from: Rank($1), at: receiver).count
      }
      let first = plan.received.paddedGroup(LocalExpert(local)).lowerBound + before
      return exchange.assignments(of: expert, from: source, at: receiver).enumerated().map { order, assignment in
        Visit(
          source: source, place: first + order, row: rowOfToken[assignment / exchange.expertsPerToken] ?? -1,
          returnRow: returnRows[assignment] ?? -1)
      }
    }
  }
}

extension RandomExchange {
  /// Where a source's rows for an expert are computed.
  func host(of expert: Int, for source: Rank) -> Rank? {
    shadows[source.index].contains(GlobalExpert(expert))
      ? source : ranks.first { placement.experts(of: $0).contains(expert) }
  }

  /// The experts that a rank may compute for a source, in order of its groups: its own, for itself its shadows.
  func experts(of rank: Rank, for source: Rank) -> [Int] {
    Array(placement.experts(of: rank)) + (rank == source ? shadows[rank.index].map(\.index) : [])
  }

  /// A source's kept assignments to an expert that a rank computes, in order.
  func assignments(of expert: Int, from source: Rank, at rank: Rank) -> [Int] {
    let decision = decisions[source.index]
    guard host(of: expert, for: source) == rank else { return [] }
    return (0..<decision.assignmentCount).filter {
      decision.isKept[$0] && Int(decision.expertIDs[$0]) == expert
    }
  }

  /// The tokens of the rows that go from one rank to another: by first expert there, then token.
  func rowTokens(from source: Rank, to receiver: Rank) -> [Int] {
    var tokens: [Int] = []
    for expert in experts(of: receiver, for: source) {
      let here = assignments(of: expert, from: source, at: receiver).map { $0 / expertsPerToken }
      tokens += here.filter { !tokens.contains($0) }
    }
    return tokens
  }

  /// The sums that go back to a source, as assignments: by last expert there, then token.
  func results(from source: Rank, to receiver: Rank) -> [[Int]] {
    let experts = experts(of: receiver, for: source)
    let ids = decisions[source.index].expertIDs
    var results: [[Int]] = []
    for (order, expert) in experts.enumerated() {
      for assignment in assignments(of: expert, from: source, at: receiver) {
        let kept = kept(of: assignment / expertsPerToken, in: decisions[source.index])
        guard kept.allSatisfy({ host(of: Int(ids[$0]), for: source) == receiver }) else {
          results.append([assignment])
          continue
        }
        let isLast = kept.allSatisfy { !experts[(order + 1)...].contains(Int(ids[$0])) }
        if isLast { results.append(kept) }
      }
    }
    return results
  }
}
