import Planning
import Testing
import Topology

@Suite("Expert placement")
struct ExpertPlacementTests {
  @Test("gives every expert one host, in blocks that differ by at most one", arguments: 1...12, 1...7)
  func blocks(expertCount: Int, rankCount: Int) {
    let placement = ExpertPlacement(expertCount: expertCount, rankCount: rankCount)
    let blocks = placement.ranks.map { Array(placement.experts(of: $0)) }
    #expect(placement.ranks.map(\.index) == Array(0..<rankCount))
    #expect(blocks.flatMap(\.self) == Array(0..<expertCount))
    let sizes = blocks.map(\.count)
    #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
    for (rank, block) in blocks.enumerated() {
      for (local, expert) in block.enumerated() {
        #expect(placement.host(of: GlobalExpert(expert)) == Rank(rank))
        #expect(placement.localExpert(of: GlobalExpert(expert)) == LocalExpert(local))
      }
    }
  }

  @Test("spreads five experts over three ranks as 1, 2, 2")
  func uneven() {
    let placement = ExpertPlacement(expertCount: 5, rankCount: 3)
    #expect(placement.ranks.map { placement.experts(of: $0) } == [0..<1, 1..<3, 3..<5])
  }

  @Test("leaves some ranks without experts when there are more ranks than experts")
  func moreRanksThanExperts() {
    let placement = ExpertPlacement(expertCount: 2, rankCount: 5)
    #expect(placement.ranks.count { placement.experts(of: $0).isEmpty } == 3)
  }
}
