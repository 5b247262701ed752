package import Tensors

// T tokens, V vocabulary, D hidden.   tokens: [T]   table, dTable: [V, D]   x, dx: [T, D]

/// x[t] = table[tokens[t]]
package func embed(_ tokens: Buffer<Int32>, table: Tensor, into x: Tensor, workers: WorkerPool) {
  gatherRows(table, indices: tokens, into: x, workers: workers)
}

/// dTable[tokens[t]] += dx[t], in ascending order of t. A task owns some columns of the whole table.
package func embedBackward(
  _ dx: Tensor, tokens: Buffer<Int32>, accumulatingInto dTable: Tensor, workers: WorkerPool
) {
  let width = dTable.columns
  check(dx, rows: tokens.count, columns: width, "dx")
  checkIndices(tokens, below: dTable.rows)
  let columnsPerTask = 64
  workers.run((width + columnsPerTask - 1) / columnsPerTask) { task, _ in
    let first = task * columnsPerTask
    let count = min(columnsPerTask, width - first)
    for row in 0..<tokens.count {
      let sum = dTable.pointer + (Int(tokens.pointer[row]) * width + first)
      let gradient = dx.pointer + (row * width + first)
      for strip in strips(of: count) { sum[strip] += gradient[strip] }
    }
  }
}
