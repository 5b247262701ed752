package import Tensors

/// y[i] = x[indices[i]], row by row.
package func gatherRows(_ x: Tensor, indices: Buffer<Int32>, into y: Tensor, workers: WorkerPool) {
  let width = x.columns
  check(y, rows: indices.count, columns: width, "y")
  checkIndices(indices, below: x.rows)
  workers.forEachRowBlock(of: indices.count, width: width) { rows in
    for row in rows {
      (y.pointer + row * width).update(from: x.pointer + Int(indices.pointer[row]) * width, count: width)
    }
  }
}

/// y += x
package func add(_ x: Tensor, accumulatingInto y: Tensor, workers: WorkerPool) {
  check(x, count: y.count, "x")
  workers.forEachElementBlock(of: y.count) { range in
    let input = x.pointer + range.lowerBound
    let output = y.pointer + range.lowerBound
    for strip in strips(of: range.count) { output[strip] += input[strip] }
  }
}

/// x *= factor
package func scale(_ x: Tensor, by factor: Float, workers: WorkerPool) {
  workers.forEachElementBlock(of: x.count) { range in
    let values = x.pointer + range.lowerBound
    for strip in strips(of: range.count) { values[strip] *= factor }
  }
}

/// Stops if an index is outside of `0 ..< bound`.
func checkIndices(_ indices: Buffer<Int32>, below bound: Int) {
  for position in 0..<indices.count {
    let index = indices.pointer[position]
    precondition(index >= 0 && index < bound, "index \(index) of \(bound) rows")
  }
}
