package import Topology

/// Experts that change hosts because the load has shifted.
package struct Replacement: Hashable, Sendable {
  /// The rank that hosts each expert from now on. [E]
  package let owners: [Int]
  /// Where parameters and moments go, in order of expert.
  package let moves: [Move]

  package struct Move: Hashable, Sendable {
    package let expert: GlobalExpert
    package let from: Rank
    package let to: Rank
  }

  /// - Parameters:
  ///   - old: the rank that hosts each expert so far. [E]
  ///   - owners: as many of each rank.
  package init(from old: [Int], to owners: [Int]) {
    precondition(old.sorted() == owners.sorted(), "a rank would host more experts than before")
    self.owners = owners
    moves = owners.indices.filter { owners[$0] != old[$0] }.map {
      Move(expert: GlobalExpert($0), from: Rank(old[$0]), to: Rank(owners[$0]))
    }
  }
}

/// The slow loop beside shadows: every so many steps, moves experts between ranks if the load has shifted.
///
/// Experts are swapped in pairs, so that every rank keeps its number of them (and with it its memory). Each swap is the
/// best one by the cost model between an expert of a busiest rank and any other rank's, until none helps.
/// SmartMoE (USENIX ATC 2023) likewise changes placements at run time, apart from the schedule of a step.
///
/// - Complexity: O(M · E²/W · E) for M moves of E experts on W ranks.
package struct ReplacementPolicy: Hashable, Sendable {
  package let costs: LayerCosts
  /// The most experts that move at a time.
  package let moveLimit: Int
  /// The share of a step's predicted time that the moves must win, beyond what they cost spread over the steps until the
  /// next ones. 5 %: a move disturbs every cached plan and every shadow, which the cost model does not see.
  package let margin: Double

  package init(costs: LayerCosts, moveLimit: Int, margin: Double = 0.05) {
    self.costs = costs
    self.moveLimit = moveLimit
    self.margin = margin
  }

  /// - Parameters:
  ///   - load: summed over the last `stepCount` steps; the next as many are taken to be alike.
  ///   - owners: the rank that hosts each expert. [E]
  /// - Returns: nil if nothing is worth moving.
  package func replacement(_ load: RoutingLoad, stepCount: Int, owners: [Int]) -> Replacement? {
    let step = load.mean(stepCount: stepCount)
    var search = SwapSearch(costs, step, owners: owners, moveLimit: moveLimit)
    while search.swapBest() {}
    let replacement = Replacement(from: owners, to: search.owners)
    guard !replacement.moves.isEmpty else { return nil }
    let before = costs.predictedSeconds(step, owners: owners)
    let gain = before - costs.predictedSeconds(step, owners: replacement.owners)
    return gain - moveSeconds(replacement.moves) / Double(stepCount) > margin * before ? replacement : nil
  }

  /// All moves at once: the rank, or the host, with the most bytes to send or to receive.
  private func moveSeconds(_ moves: [Replacement.Move]) -> Double {
    // Adam's two moments are as large as the parameters.
    let bytes = Double(costs.shape.parameterBytes) * (costs.passes == .training ? 3 : 1)
    let hosts = costs.hostOfRank
    var (near, far) = (Traffic(count: costs.rankCount), Traffic(count: costs.hostCount))
    for move in moves {
      let (from, to) = (move.from.index, move.to.index)
      if hosts[from] == hosts[to] { near.add(from, to) } else { far.add(hosts[from], hosts[to]) }
    }
    let ranksOfHost = hosts.reduce(into: Array(repeating: 0.0, count: costs.hostCount)) { $0[$1] += 1 }
    let nearSeconds = near.counts.map { costs.machine.sameHost.seconds(bytes: bytes * $0) }.max() ?? 0
    let farSeconds = zip(far.counts, ranksOfHost).map { costs.machine.otherHost.seconds(bytes: bytes * $0 / $1) }.max()
    return max(near.isEmpty ? 0 : nearSeconds, far.isEmpty ? 0 : farSeconds ?? 0)
  }

  /// Experts that leave and enter each rank or host.
  private struct Traffic {
    private var sent: [Double]
    private var received: [Double]

    init(count: Int) {
      sent = Array(repeating: 0, count: count)
      received = sent
    }

    mutating func add(_ from: Int, _ to: Int) {
      sent[from] += 1
      received[to] += 1
    }

    var isEmpty: Bool { sent.allSatisfy { $0 == 0 } }
    var counts: [Double] { zip(sent, received).map(max) }
  }
}

private struct SwapSearch {
  private let original: [Int]
  private let moveLimit: Int
  private var loads: LayerLoads

  init(_ costs: LayerCosts, _ load: RoutingLoad, owners: [Int], moveLimit: Int) {
    original = owners
    self.moveLimit = moveLimit
    loads = LayerLoads(costs, load, owners: owners)
  }

  var owners: [Int] { loads.owners }

  /// Swaps the two experts that lower the smooth time most, ties by the lower pair; false if none does.
  mutating func swapBest() -> Bool {
    loads.refresh()
    // Rounding must not pass for a gain, or two swaps could undo each other for ever.
    var best = (seconds: loads.smoothSeconds * (1 - 1e-6), pair: (Int, Int)?.none)
    let busiest = loads.busiestRanks
    for expert in owners.indices where busiest.contains(owners[expert]) {
      for other in owners.indices where owners[other] != owners[expert] && isWithinLimit(expert, other) {
        var trial = loads
        trial.swap(expert, other)
        if trial.smoothSeconds < best.seconds { best = (trial.smoothSeconds, (expert, other)) }
      }
    }
    guard let (expert, other) = best.pair else { return false }
    loads.swap(expert, other)
    return true
  }

  private func isWithinLimit(_ expert: Int, _ other: Int) -> Bool {
    var moved = owners
    moved.swapAt(expert, other)
    return zip(moved, original).count { $0 != $1 } <= moveLimit
  }
}
