import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct TopKTests {
  private let workers = WorkerPool(threadCount: 2)

  @Test(arguments: [(0, 4, 2), (1, 1, 1), (50, 8, 2), (20, 8, 8), (30, 67, 5)])
  func isTheHeadOfAStableSort(rows: Int, width: Int, count: Int) {
    // Few distinct values, so that ties are everywhere.
    let values = Tensor.random(rows, width, seed: 1, scale: 4)
    for index in 0..<values.count { values.buffer[index] = values.buffer[index].rounded() }
    let indices = Buffer<Int32>(count: rows * count)
    topK(values, count: count, indices: indices, workers: workers)
    for row in 0..<rows {
      let order = (0..<width).sorted { (-values[row, $0], $0) < (-values[row, $1], $1) }
      #expect(indices[row * count..<(row + 1) * count].elements == order.prefix(count).map(Int32.init))
    }
  }

  @Test func notANumberStillGivesDistinctColumns() {
    let values = Tensor([.nan, 1, .nan, 3], shape: [1, 4])
    let indices = Buffer<Int32>(count: 4)
    topK(values, count: 4, indices: indices, workers: workers)
    #expect(Set(indices.elements) == [0, 1, 2, 3])
  }
}
