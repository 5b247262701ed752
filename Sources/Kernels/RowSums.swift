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

/// A row that is a sum of parts.
package struct RowSum: Sendable {
  /// The row of the result.
  package let target: Int32
  package let parts: Range<Int32>

  package init(target: Int, parts: Range<Int32>) {
    self.target = Int32(target)
    self.parts = parts
  }
}

/// out[target] = Σ weight · tables[table][row] over the sum's parts, in their order; a row without parts is zero.
///
/// Every product is rounded before it is added, so that a sum taken in two places has one result.
package func sumRows(
  _ sums: [RowSum], of parts: [WeightedRow], tables: [Tensor], into out: Tensor, workers: WorkerPool
) {
  let width = out.columns
  precondition(tables.allSatisfy { $0.columns == width || $0.rows == 0 }, "tables as wide as the sums: \(width)")
  precondition(sums.allSatisfy { $0.target >= 0 && Int($0.target) < out.rows }, "a sum outside of \(out.shape)")
  let sources = tables.map(\.pointer)
  let result = out.pointer
  let sumsPerTask = max(1, 32_768 / max(width, 1))
  workers.run((sums.count + sumsPerTask - 1) / sumsPerTask) { task, _ in
    for sum in sums[task * sumsPerTask..<min((task + 1) * sumsPerTask, sums.count)] {
      let target = result + Int(sum.target) * width
      guard !sum.parts.isEmpty else {
        target.update(repeating: 0, count: width)
        continue
      }
      for index in sum.parts {
        let part = parts[Int(index)]
        let source = UnsafePointer(sources[Int(part.table)] + Int(part.row) * width)
        if index == sum.parts.lowerBound {
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
