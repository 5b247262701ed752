import Communication
import ExpertParallel
import RankCases
import Tensors
import Testing

@Suite("Expert layer traffic")
struct ExpertTrafficTests {
  @Test("is exactly the rows, counted by hand, and the manifests", arguments: ExpertScenario.all, [1, 2, 3, 5])
  func byteCount(scenario: ExpertScenario, ranks: Int) throws {
    let batch = scenario.batch(.swiGLU)
    let counts = try LoopbackFabric.run(ranks: ranks) { world in
      let rank = ExpertLayerRank(batch, on: world, scenario.setup(ranks: ranks))
      let mark = rank.runtime.workspace.mark()
      let saved = try rank.forward()
      let forward = rank.runtime.timings.sentByteCount
      try rank.backward(saved)
      rank.runtime.workspace.release(to: mark)
      #expect(rank.runtime.timings.sentByteCount == world.traffic.sentByteCount)
      return [forward, rank.runtime.timings.sentByteCount - forward]
    }
    let blocks = (0..<ranks).map {
      scenario.blocks.tokens(of: $0, rankCount: ranks, tokenCount: batch.tokenCount)
    }
    for rank in 0..<ranks {
      let traffic = NaiveTraffic(batch, blocks: blocks, rank: rank)
      #expect(counts[rank] == [traffic.forward, traffic.backward], "rank \(rank)")
    }
  }
}

/// The bytes that leave a rank, counted token by token.
private struct NaiveTraffic {
  private(set) var forward = 0
  private(set) var backward = 0

  init(_ batch: ExpertBatch, blocks: [Range<Int>], rank: Int) {
    let ranks = blocks.count
    func host(_ expert: Int) -> Int { (0..<ranks).first { expert < ($0 + 1) * batch.expertCount / ranks } ?? 0 }
    let rowBytes = 4 * batch.hiddenSize
    for peer in 0..<ranks where peer != rank {
      let hosted = (0..<batch.expertCount).count { host($0) == peer }
      // Six words, a count per expert of the receiver, and four words per assignment below.
      forward += 4 * (6 + hosted)
      for (source, receiver) in [(rank, peer), (peer, rank)] {
        for token in blocks[source] {
          let kept = (token * batch.expertsPerToken..<(token + 1) * batch.expertsPerToken).filter { batch.isKept[$0] }
          let there = kept.filter { host(Int(batch.expertIDs[$0])) == receiver }
          if there.isEmpty { continue }
          if source == rank {
            forward += rowBytes + 4 * 4 * there.count
            backward += rowBytes
          } else {
            let returned = there.count == kept.count ? 1 : there.count
            forward += returned * rowBytes
            backward += returned * rowBytes + 4 * there.count
          }
        }
      }
    }
  }
}
