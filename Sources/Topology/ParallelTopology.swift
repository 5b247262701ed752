/// How the ranks of a job divide the work: expert-parallel groups of consecutive ranks, replicated over data-parallel groups.
///
/// With 6 ranks and an expert-parallel size of 3, ranks 0–2 hold one full set of experts and ranks 3–5 another;
/// ranks {0, 3}, {1, 4} and {2, 5} hold the same experts and sum their gradients.
package struct ParallelTopology: Hashable, Sendable {
  package let worldSize: Int
  package let expertParallelSize: Int

  /// - Precondition: `expertParallelSize` divides `worldSize`.
  package init(worldSize: Int, expertParallelSize: Int) {
    precondition(
      worldSize > 0 && expertParallelSize > 0 && worldSize % expertParallelSize == 0,
      "expert-parallel size \(expertParallelSize) does not divide \(worldSize) ranks")
    self.worldSize = worldSize
    self.expertParallelSize = expertParallelSize
  }

  /// The largest divisor of the rank count that is at most the expert count.
  package static func defaultExpertParallelSize(worldSize: Int, expertCount: Int) -> Int {
    (1...worldSize).last { worldSize % $0 == 0 && $0 <= expertCount } ?? 1
  }

  package var dataParallelSize: Int { worldSize / expertParallelSize }

  /// Which full set of experts a rank belongs to.
  package func expertParallelGroup(of rank: Rank) -> Int { rank.index / expertParallelSize }

  /// A rank's place inside its expert-parallel group: it decides which experts the rank hosts.
  package func expertParallelRank(of rank: Rank) -> Rank { Rank(rank.index % expertParallelSize) }

  /// Which group of replicas of the same experts a rank belongs to.
  package func dataParallelGroup(of rank: Rank) -> Int { rank.index % expertParallelSize }

  /// A rank's place among the replicas of its experts.
  package func dataParallelRank(of rank: Rank) -> Rank { Rank(rank.index / expertParallelSize) }

  /// The world ranks of the expert-parallel group that a rank belongs to, in order.
  package func expertParallelPeers(of rank: Rank) -> [Rank] {
    let first = expertParallelGroup(of: rank) * expertParallelSize
    return (first..<first + expertParallelSize).map(Rank.init)
  }
}
