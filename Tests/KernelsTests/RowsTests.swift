import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct RowsTests {
  private let workers = WorkerPool(threadCount: 2)

  @Test(arguments: [(0, 5), (1, 1), (300, 130)])
  func gatherTakesTheNamedRows(count: Int, width: Int) {
    let x = Tensor.random(7, width, seed: 1)
    let indices = Buffer<Int32>((0..<count).map { Int32($0 * 5 % 7) })
    let y = Tensor.random(count, width, seed: 2)
    gatherRows(x, indices: indices, into: y, workers: workers)
    for row in 0..<count { #expect(y[rows: row..<row + 1].elements == x[rows: row * 5 % 7..<row * 5 % 7 + 1].elements) }
  }

  @Test(arguments: [0, 1, 17, 70_001])
  func addAndScaleTouchEveryElement(count: Int) {
    let x = Tensor.random(count, 1, seed: 1)
    let y = Tensor.random(count, 1, seed: 2)
    let sums = zip(x.elements, y.elements).map(+)
    add(x, accumulatingInto: y, workers: workers)
    #expect(y.elements == sums)
    scale(y, by: 0.3, workers: workers)
    #expect(y.elements == sums.map { $0 * 0.3 })
  }

  @Test(arguments: [(0, 3), (1, 16), (200, 77)])
  func embeddingLooksUpAndAddsBack(tokenCount: Int, width: Int) {
    let table = Tensor.random(9, width, seed: 1)
    let tokens = Buffer<Int32>((0..<tokenCount).map { Int32($0 * $0 % 9) })
    let x = Tensor.random(tokenCount, width, seed: 2)
    embed(tokens, table: table, into: x, workers: workers)
    let dTable = Tensor.random(9, width, seed: 3)
    var expected = NaiveMatrix(dTable)
    embedBackward(x, tokens: tokens, accumulatingInto: dTable, workers: workers)
    for (position, token) in tokens.elements.enumerated() {
      #expect(x[rows: position..<position + 1].elements == table[rows: Int(token)..<Int(token) + 1].elements)
      for column in 0..<width { expected[Int(token), column] += Double(x[position, column]) }
    }
    #expect(dTable.difference(from: expected, tolerance: 1e-5) == nil)
  }
}
