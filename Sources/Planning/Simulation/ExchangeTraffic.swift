package import Topology

/// Who sends how many rows to whose experts, for all ranks of a job: what a simulation runs on.
///
/// Ranks form expert-parallel groups of consecutive ranks; each group holds a full set of experts, and rows stay inside a
/// group. Everything is kept in flat arrays: 4,096 ranks are 17 million pairs.
package struct ExchangeTraffic: Sendable {
  package let topology: ParallelTopology
  package let placement: ExpertPlacement
  /// Of each rank. [N]
  package let tokenCounts: [Int32]
  /// What each rank sends to each peer of its group, peers counted inside the group. [N · P]
  package let rows: [Int32]
  package let assignments: [Int32]
  /// What comes back. [N · P]
  package let returnRows: [Int32]
  /// Where the entries of each group's each expert begin. [groups · E + 1]
  private let entryOffsets: [Int]
  /// The source of each entry, counted inside the group, in order, and its number of assignments.
  private let entrySources: [Int32]
  private let entryCounts: [Int32]

  /// One rank's assignments to one expert.
  package struct Entry: Hashable, Sendable {
    package let source: Int
    package let count: Int
  }

  package var rankCount: Int { topology.worldSize }
  package var groupSize: Int { topology.expertParallelSize }

  /// The index of a pair in the arrays of pairs.
  package func pair(from rank: Int, to peer: Int) -> Int { rank * groupSize + peer }

  /// What an expert of a group gets, by source.
  package func entries(group: Int, expert: Int) -> some Sequence<Entry> {
    let place = group * placement.expertCount + expert
    return (entryOffsets[place]..<entryOffsets[place + 1]).lazy.map {
      Entry(source: Int(entrySources[$0]), count: Int(entryCounts[$0]))
    }
  }

  /// The traffic that is to be expected: tokens spread evenly over ranks, experts chosen by popularity.
  ///
  /// Each rank's count of an expert is its expected count rounded up or down such that the rank's sum is exact: ticks one
  /// apart are laid over the expected counts, one after another. Where the ticks begin differs from rank to rank by the
  /// golden ratio, so that sums over ranks come out as well (rounding each rank by largest remainders would favour the same
  /// experts on all of them).
  package init(
    _ popularity: ExpertPopularity, tokenCount: Int, topology: ParallelTopology
  ) {
    let tokens = BlockPartition(count: tokenCount, parts: topology.worldSize)
    let placement = ExpertPlacement(
      expertCount: popularity.inclusion.count, rankCount: topology.expertParallelSize)
    let visits = PeerVisits(popularity, experts: placement.ranks.map(placement.experts))
    let ticks = TickCounts(popularity)
    self.init(
      topology: topology, placement: placement, tokenCounts: (0..<topology.worldSize).map { Int32(tokens.size(of: $0)) }
    ) { rank, counts in
      ticks.count(tokens: tokens.size(of: rank), rank: rank, into: &counts)
    } pairRows: { tokens, peer, assignments, largest in
      visits.rows(tokens: tokens, peer: peer, assignments: assignments, largest: largest, popularity.expertsPerToken)
    }
  }

  /// Traffic from counts.
  ///
  /// - Parameters:
  ///   - counts: writes a rank's assignments to each expert. [E]
  ///   - pairRows: the rows that a rank of so many tokens sends to a peer and gets back, from its assignments there and the
  ///     most of them to one expert.
  package init(
    topology: ParallelTopology, placement: ExpertPlacement, tokenCounts: [Int32],
    counts: (_ rank: Int, _ counts: inout [Int32]) -> Void,
    pairRows: (_ tokens: Int, _ peer: Int, _ assignments: Int, _ largest: Int) -> (rows: Int, returns: Int)
  ) {
    let (experts, peers) = (placement.expertCount, topology.expertParallelSize)
    self.topology = topology
    self.placement = placement
    self.tokenCounts = tokenCounts
    let pairCount = topology.worldSize * peers
    var (rows, assignments) = (
      Array(repeating: Int32(0), count: pairCount), Array(repeating: Int32(0), count: pairCount)
    )
    var returnRows = rows
    var offsets = Array(repeating: 0, count: topology.worldSize / peers * experts + 1)
    var own = Array(repeating: Int32(0), count: experts)
    let hosted = placement.ranks.map(placement.experts)
    for rank in 0..<topology.worldSize {
      counts(rank, &own)
      let first = rank / peers * experts
      for expert in 0..<experts where own[expert] > 0 { offsets[first + expert + 1] += 1 }
      for peer in 0..<peers {
        let mine = own[hosted[peer]]
        let sum = mine.reduce(0) { $0 + Int($1) }
        guard sum > 0 else { continue }
        let pair = pairRows(Int(tokenCounts[rank]), peer, sum, mine.reduce(0) { max($0, Int($1)) })
        assignments[rank * peers + peer] = Int32(sum)
        rows[rank * peers + peer] = Int32(pair.rows)
        returnRows[rank * peers + peer] = Int32(pair.returns)
      }
    }
    for place in 1..<offsets.count { offsets[place] += offsets[place - 1] }
    var next = offsets
    var sources = Array(repeating: Int32(0), count: offsets[offsets.count - 1])
    var entries = sources
    for rank in 0..<topology.worldSize {
      counts(rank, &own)
      let first = rank / peers * experts
      for expert in 0..<experts where own[expert] > 0 {
        sources[next[first + expert]] = Int32(rank % peers)
        entries[next[first + expert]] = own[expert]
        next[first + expert] += 1
      }
    }
    self.rows = rows
    self.assignments = assignments
    self.returnRows = returnRows
    entryOffsets = offsets
    entrySources = sources
    entryCounts = entries
  }
}

extension ExchangeTraffic {
  /// What the ranks of the first group want of its experts, as a policy is told it.
  package func load(expertsPerToken: Int) -> RoutingLoad {
    let experts = placement.expertCount
    var counts = Array(repeating: 0, count: groupSize * experts)
    for expert in 0..<experts {
      for entry in entries(group: 0, expert: expert) { counts[entry.source * experts + expert] = entry.count }
    }
    return RoutingLoad(
      tokenCounts: tokenCounts.prefix(groupSize).map(Int.init), expertsPerToken: expertsPerToken, expertCount: experts,
      counts: counts)
  }
}

/// Integer counts that follow expected ones.
private struct TickCounts {
  /// Σ of the inclusions before each expert. [E + 1]
  private let cumulative: [Double]
  private let expertsPerToken: Int

  init(_ popularity: ExpertPopularity) {
    cumulative = popularity.inclusion.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1) }
    expertsPerToken = popularity.expertsPerToken
  }

  func count(tokens: Int, rank: Int, into counts: inout [Int32]) {
    // The fractional part of rank · 0.618…, the golden ratio.
    let turns = Double(rank) * 0.618_033_988_749_894_9
    let phase = turns - turns.rounded(.down)
    let total = Int32(tokens * expertsPerToken)
    var before: Int32 = 0
    for expert in counts.indices {
      let isLast = expert == counts.count - 1
      let end = isLast ? total : min(total, Int32((Double(tokens) * cumulative[expert + 1] + phase).rounded(.down)))
      counts[expert] = end - before
      before = end
    }
  }
}

extension PeerVisits {
  /// The rows of a rank for a peer and back: a token's row goes to a peer once, and a token whose choices are all there comes
  /// back as one row.
  fileprivate func rows(
    tokens: Int, peer: Int, assignments: Int, largest: Int, _ expertsPerToken: Int
  ) -> (rows: Int, returns: Int) {
    guard choices[peer] > 0 else { return (assignments, assignments) }
    let perAssignment = isVisited[peer] / choices[peer]
    let saved = isWhole[peer] * Double(expertsPerToken - 1) / choices[peer]
    let rows = min(assignments, tokens, max(largest, Int((Double(assignments) * perAssignment).rounded())))
    let returns = min(assignments, max(rows, Int((Double(assignments) * (1 - saved)).rounded())))
    return (rows, returns)
  }
}
