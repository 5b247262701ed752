/// How many rows the tokens of each rank want of each expert in one exchange: the same on all ranks, which have told each
/// other these integers before anything is decided from them.
package struct RoutingLoad: Hashable, Sendable {
  /// Tokens of each rank. [W]
  package let tokenCounts: [Int]
  package let expertsPerToken: Int
  package let expertCount: Int
  /// Kept assignments, one rank's experts after another's. [W · E]
  package let counts: [Int]

  package init(tokenCounts: [Int], expertsPerToken: Int, expertCount: Int, counts: [Int]) {
    precondition(
      counts.count == tokenCounts.count * expertCount,
      "\(counts.count) counts of \(tokenCounts.count) ranks and \(expertCount) experts")
    self.tokenCounts = tokenCounts
    self.expertsPerToken = expertsPerToken
    self.expertCount = expertCount
    self.counts = counts
  }

  package var rankCount: Int { tokenCounts.count }

  package subscript(rank: Int, expert: Int) -> Int { counts[rank * expertCount + expert] }

  /// Rows that an expert gets from all ranks. [E]
  package var rowsPerExpert: [Int] {
    var rows = Array(repeating: 0, count: expertCount)
    for rank in 0..<rankCount {
      for expert in 0..<expertCount { rows[expert] += self[rank, expert] }
    }
    return rows
  }

  /// One of several steps that this is the sum of.
  package func mean(stepCount: Int) -> RoutingLoad {
    RoutingLoad(
      tokenCounts: tokenCounts.map { ($0 + stepCount / 2) / stepCount }, expertsPerToken: expertsPerToken,
      expertCount: expertCount, counts: counts.map { ($0 + stepCount / 2) / stepCount })
  }
}
