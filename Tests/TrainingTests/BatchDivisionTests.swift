import Testing
import Topology
import Training

struct BatchDivisionTests {
  @Test(
    "every sequence is computed once, in order of micro-batch and rank",
    arguments: [(1, 1), (5, 2), (10, 4), (16, 16), (7, 100)], [1, 2, 3, 4, 7])
  func everySequenceOnce(sizes: (sequences: Int, microBatch: Int), ranks: Int) {
    let division = BatchDivision(
      sequenceCount: sizes.sequences, microBatchSequences: sizes.microBatch, rankCount: ranks)
    var seen: [Int] = []
    for microBatch in 0..<division.microBatchCount {
      var ofMicroBatch: [Int] = []
      for rank in 0..<ranks { ofMicroBatch += division.sequences(microBatch: microBatch, rank: Rank(rank)) }
      #expect(ofMicroBatch == Array(division.sequences(microBatch: microBatch)))
      seen += ofMicroBatch
    }
    #expect(seen == Array(0..<sizes.sequences))
  }

  @Test func theExampleOfTheDocumentation() {
    let division = BatchDivision(sequenceCount: 10, microBatchSequences: 4, rankCount: 3)
    let blocks = (0..<3).map { microBatch in
      (0..<3).map { Array(division.sequences(microBatch: microBatch, rank: Rank($0))) }
    }
    #expect(blocks == [[[0], [1], [2, 3]], [[4], [5], [6, 7]], [[], [8], [9]]])
  }

  @Test func theSequencesOfAMicroBatchDoNotDependOnTheRanks() {
    let one = BatchDivision(sequenceCount: 11, microBatchSequences: 3, rankCount: 1)
    let four = BatchDivision(sequenceCount: 11, microBatchSequences: 3, rankCount: 4)
    #expect(one.microBatchCount == 4 && four.microBatchCount == 4)
    for microBatch in 0..<4 { #expect(one.sequences(microBatch: microBatch) == four.sequences(microBatch: microBatch)) }
  }
}
