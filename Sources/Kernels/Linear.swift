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

/// Rows cut into blocks for tasks: large enough for the matmul's full rate, small enough to share among threads.
package struct RowBlocks {
  package let rowCount: Int
  package let blockSize: Int

  package init(rowCount: Int) {
    self.rowCount = rowCount
    blockSize = rowCount >= 1024 ? 256 : rowCount >= 256 ? 128 : 64
  }

  package var count: Int { (rowCount + blockSize - 1) / blockSize }

  package subscript(block: Int) -> Range<Int> {
    block * blockSize..<min((block + 1) * blockSize, rowCount)
  }
}
