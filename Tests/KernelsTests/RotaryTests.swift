import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct RotaryTests {
  private let workers = WorkerPool(threadCount: 2)
  private let theta = 10000.0

  @Test(arguments: [(2, 0), (32, 0), (48, 3), (10, 1)])
  func agreesWithTheDefinition(headSize: Int, firstPosition: Int) {
    let sequenceLength = 5
    let headCount = 3
    let table = RotaryTable(headSize: headSize, theta: theta, positionCount: 16)
    let rows = Tensor.random(2 * sequenceLength, 5 * headSize, seed: 1)
    let expected = naiveRotate(NaiveMatrix(rows), headCount: headCount, headSize: headSize, theta: theta) {
      $0 % sequenceLength + firstPosition
    }
    rotate(
      rows, headCount: headCount, table: table, sequenceLength: sequenceLength, firstPosition: firstPosition,
      workers: workers)
    #expect(rows.difference(from: expected, tolerance: 3e-7) == nil)
  }

  @Test func backwardUndoesForward() {
    let table = RotaryTable(headSize: 32, theta: theta, positionCount: 300)
    let rows = Tensor.random(300, 96, seed: 2)
    let original = NaiveMatrix(rows)
    rotate(rows, headCount: 2, table: table, sequenceLength: 150, firstPosition: 150, workers: workers)
    #expect(rows.difference(from: original, tolerance: 1e-2) != nil)
    rotateBackward(rows, headCount: 2, table: table, sequenceLength: 150, firstPosition: 150, workers: workers)
    #expect(rows.difference(from: original, tolerance: 3e-7) == nil)
  }

  @Test func noRowsAreNoWork() {
    let table = RotaryTable(headSize: 4, theta: theta, positionCount: 1)
    rotate(Tensor.random(0, 8, seed: 1), headCount: 2, table: table, sequenceLength: 7, workers: workers)
  }
}
