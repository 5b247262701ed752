package import Tensors

/// One summand of a sum of rows: a row of one of several tables, and its weight.
package struct WeightedRow: Sendable {
  package let table: Int32
  package let row: Int32
  package let weight: Float

  package init(table: Int, row: Int32, weight: Float) {
    self.table = Int32(table)
    self.row = row
    self.weight = weight
  }
}

/// out[i] = Σ weight · tables[table][row] over the parts of row i, in their order; a row without parts is zero.
///
/// Every product is rounded before it is added, so that a sum taken in two places has one result.
///
/// - Parameter offsets: where each row's parts begin. [rows + 1]
package func sumRows(
  _ parts: [WeightedRow], offsets: [Int32], tables: [Tensor], into out: Tensor, workers: WorkerPool
) {
  let width = out.columns
  precondition(offsets.count == out.rows + 1, "\(offsets.count) offsets for \(out.rows) rows")
  precondition(tables.allSatisfy { $0.columns == width || $0.rows == 0 }, "tables as wide as the sums: \(width)")
  let sources = tables.map(\.pointer)
  let result = out.pointer
  let rowsPerTask = max(1, 32_768 / max(width, 1))
  workers.run((out.rows + rowsPerTask - 1) / rowsPerTask) { task, _ in
    for row in task * rowsPerTask..<min((task + 1) * rowsPerTask, out.rows) {
      let target = result + row * width
      let range = Int(offsets[row])..<Int(offsets[row + 1])
      guard let first = range.first else {
        target.update(repeating: 0, count: width)
        continue
      }
      for index in range {
        let part = parts[index]
        let source = UnsafePointer(sources[Int(part.table)] + Int(part.row) * width)
        if index == first {
          for column in 0..<width { target[column] = part.weight * source[column] }
        } else {
          for column in 0..<width { target[column] += part.weight * source[column] }
        }
      }
    }
  }
}

/// y[targets[i]] = x[sources[i]]
package func copyRows(
  _ x: Tensor, sources: [Int32], into y: Tensor, targets: [Int32], workers: WorkerPool
) {
  let width = x.columns
  precondition(sources.count == targets.count, "\(sources.count) rows to \(targets.count) places")
  precondition(sources.isEmpty || width == y.columns, "rows of \(width) into rows of \(y.columns)")
  precondition(
    sources.allSatisfy { $0 >= 0 && Int($0) < x.rows } && targets.allSatisfy { $0 >= 0 && Int($0) < y.rows },
    "a row outside of \(x.shape) or \(y.shape)")
  let from = x.pointer
  let to = y.pointer
  let rowsPerTask = max(1, 32_768 / max(width, 1))
  workers.run((sources.count + rowsPerTask - 1) / rowsPerTask) { task, _ in
    for index in task * rowsPerTask..<min((task + 1) * rowsPerTask, sources.count) {
      (to + Int(targets[index]) * width).update(from: from + Int(sources[index]) * width, count: width)
    }
  }
}
