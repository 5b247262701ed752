package import Tensors

// T tokens, D inputs, N outputs.   x, dx: [T, D]   weight, dWeight: [N, D]   y, dy: [T, N]

/// y = x · weightᵀ
package func linear(_ x: Tensor, weight: Tensor, into y: Tensor, workers: WorkerPool) {
  checkLinear(x, weight, y)
  let a = Matrix(x)
  let b = Matrix(weight).transposed
  let c = Matrix(y)
  let blocks = RowBlocks(rowCount: x.rows)
  workers.run(blocks.count) { task, lane in
    lane.multiply(a.rows(blocks[task]), b, into: c.rows(blocks[task]))
  }
}

/// dx = dy · weight, or dx += dy · weight
package func linearInputGradient(_ dy: Tensor, weight: Tensor, into dx: Tensor, accumulating: Bool, workers: WorkerPool)
{
  checkLinear(dx, weight, dy)
  let a = Matrix(dy)
  let b = Matrix(weight)
  let c = Matrix(dx)
  let blocks = RowBlocks(rowCount: dy.rows)
  workers.run(blocks.count) { task, lane in
    lane.multiply(a.rows(blocks[task]), b, into: c.rows(blocks[task]), accumulating: accumulating)
  }
}

/// dWeight = dyᵀ · x, or dWeight += dyᵀ · x
///
/// A task computes some rows of `dWeight` over all tokens, so that the order of the sum is one.
package func linearWeightGradient(
  _ dy: Tensor, x: Tensor, into dWeight: Tensor, accumulating: Bool, workers: WorkerPool
) {
  checkLinear(x, dWeight, dy)
  let a = Matrix(dy).transposed
  let b = Matrix(x)
  let c = Matrix(dWeight)
  let blocks = RowBlocks(rowCount: dWeight.rows)
  workers.run(blocks.count) { task, lane in
    lane.multiply(a.rows(blocks[task]), b, into: c.rows(blocks[task]), accumulating: accumulating)
  }
}

private func checkLinear(_ x: Tensor, _ weight: Tensor, _ y: Tensor) {
  precondition(
    x.columns == weight.columns && y.rows == x.rows && y.columns == weight.rows,
    "x \(x.shape), weight \(weight.shape), y \(y.shape)")
}

/// Rows cut into equal blocks for tasks: large enough for the matmul's full rate, enough of them to share among threads.
///
/// A product of 128 rows reaches 0.88 of the rate of 512, one of 256 rows 0.95 (docs/decisions/0001). More than one
/// block are an even number, so that two threads have the same work.
package struct RowBlocks {
  package let rowCount: Int
  package let blockSize: Int

  private static let rounding = 16

  package init(rowCount: Int) {
    self.init(rowCount: rowCount, largest: rowCount >= 2048 ? 512 : rowCount >= 512 ? 256 : rowCount >= 256 ? 128 : 64)
  }

  package init(rowCount: Int, largest: Int) {
    self.rowCount = rowCount
    let needed = (rowCount + largest - 1) / largest
    let count = needed > 1 ? needed + needed % 2 : 1
    blockSize = max(Self.rounding, ((rowCount + count - 1) / count + Self.rounding - 1) / Self.rounding * Self.rounding)
  }

  package var count: Int { (rowCount + blockSize - 1) / blockSize }

  package subscript(block: Int) -> Range<Int> {
    block * blockSize..<min((block + 1) * blockSize, rowCount)
  }
}
