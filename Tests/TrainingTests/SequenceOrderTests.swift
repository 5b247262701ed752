import Testing
import Training

struct SequenceOrderTests {
  @Test("an epoch sees every sequence once", arguments: [1, 2, 3, 4, 5, 16, 17, 64, 100, 1023], [1, 3, 8])
  func everySequenceOnce(count: Int, batchSize: Int) {
    let order = SequenceOrder(sequenceCount: count, batchSize: batchSize, seed: 3)
    // As many batches as fill `batchSize` epochs exactly.
    let list = (0..<count).flatMap { order.batch(step: $0) }
    for epoch in 0..<batchSize {
      #expect(Set(list[epoch * count..<(epoch + 1) * count]) == Set(0..<count))
    }
  }

  @Test func theListDoesNotDependOnHowItIsCutIntoBatches() {
    let ones = SequenceOrder(sequenceCount: 50, batchSize: 1, seed: 8)
    let fives = SequenceOrder(sequenceCount: 50, batchSize: 5, seed: 8)
    #expect((0..<100).flatMap { ones.batch(step: $0) } == (0..<20).flatMap { fives.batch(step: $0) })
  }

  @Test func seedsAndEpochsHaveOrdersOfTheirOwn() {
    let first = SequenceOrder(sequenceCount: 200, batchSize: 200, seed: 1)
    let second = SequenceOrder(sequenceCount: 200, batchSize: 200, seed: 2)
    #expect(first.batch(step: 0) != second.batch(step: 0))
    #expect(first.batch(step: 0) != first.batch(step: 1))
    #expect(first.batch(step: 0) != Array(0..<200))
    #expect(first.batch(step: 7) == SequenceOrder(sequenceCount: 200, batchSize: 200, seed: 1).batch(step: 7))
  }

  @Test func placesAreWellMixed() {
    // Over many epochs every sequence comes first about equally often.
    let order = SequenceOrder(sequenceCount: 10, batchSize: 10, seed: 4)
    var first = [Int](repeating: 0, count: 10)
    for epoch in 0..<2000 { first[order.batch(step: epoch)[0]] += 1 }
    #expect(first.allSatisfy { (140...260).contains($0) }, "\(first)")
  }
}
