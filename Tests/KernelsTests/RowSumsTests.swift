import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct RowSumsTests {
  @Test(arguments: [1, 3]) func rowsAreSummedInTheirOrderEachProductRounded(threadCount: Int) {
    let (width, count) = (37, 2000)
    let tables = [
      Tensor.random(50, width, seed: 1), Tensor.random(0, width, seed: 2), Tensor.random(9, width, seed: 3),
    ]
    var generator = SeededGenerator(seed: 4)
    var parts: [WeightedRow] = []
    var offsets: [Int32] = [0]
    var expected: [Float] = []
    for row in 0..<count {
      // None, one, two, three and four parts, in turn.
      var sum = Array(repeating: Float(0), count: width)
      for part in 0..<row % 5 {
        let table = Bool.random(using: &generator) ? 0 : 2
        let source = Int.random(in: 0..<tables[table].rows, using: &generator)
        let weight = Float.random(in: -1..<1, using: &generator)
        parts.append(WeightedRow(table: table, row: Int32(source), weight: weight))
        for column in 0..<width {
          let product = weight * tables[table][source, column]
          sum[column] = part == 0 ? product : sum[column] + product
        }
      }
      offsets.append(Int32(parts.count))
      expected += sum
    }
    let out = Tensor(zeros: [count, width])
    out.fill(.nan)
    let sums = (0..<count).map { RowSum(target: $0, parts: offsets[$0]..<offsets[$0 + 1]) }
    sumRows(
      sums.shuffled(using: &generator), of: parts, tables: tables, into: out,
      workers: WorkerPool(threadCount: threadCount))
    #expect(out.elements.map(\.bitPattern).elementsEqual(expected.map(\.bitPattern)))
  }

  @Test(arguments: [1, 3]) func rowsAreCopiedToTheirPlaces(threadCount: Int) {
    let x = Tensor.random(1500, 30, seed: 1)
    let y = Tensor(zeros: [1600, 30])
    var generator = SeededGenerator(seed: 2)
    let sources = (0..<1500).map { Int32($0) }.shuffled(using: &generator)
    let targets = generator.distinct(1500, below: 1600).map(Int32.init)
    copyRows(x, sources: sources, into: y, targets: targets, workers: WorkerPool(threadCount: threadCount))
    var expected = Array(repeating: Float(0), count: 1600 * 30)
    for (source, target) in zip(sources, targets) {
      for column in 0..<30 { expected[Int(target) * 30 + column] = x[Int(source), column] }
    }
    #expect(y.elements == expected)
  }
}
