package import Topology

/// Which rank of an expert-parallel group hosts which experts: contiguous blocks, sizes differing by at most one.
package struct ExpertPlacement: Hashable, Sendable {
  private let partition: BlockPartition

  package init(expertCount: Int, rankCount: Int) {
    partition = BlockPartition(count: expertCount, parts: rankCount)
  }

  package var expertCount: Int { partition.count }
  package var rankCount: Int { partition.parts }
  package var ranks: [Rank] { (0..<rankCount).map(Rank.init) }

  package func experts(of rank: Rank) -> Range<Int> { partition.range(of: rank.index) }
  package func host(of expert: GlobalExpert) -> Rank { Rank(partition.part(of: expert.index)) }

  package func localExpert(of expert: GlobalExpert) -> LocalExpert {
    LocalExpert(expert.index - experts(of: host(of: expert)).lowerBound)
  }
}
