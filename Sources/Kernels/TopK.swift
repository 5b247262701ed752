package import Tensors

/// The columns of the `count` largest values of each row, in descending order; equal values by lower column.
///
/// values: [T, E]   indices: [T · count]. O(E + E·count in the worst case) a row.
package func topK(_ values: Tensor, count: Int, indices: Buffer<Int32>, workers: WorkerPool) {
  let width = values.columns
  precondition(count >= 1 && count <= width || values.rows == 0, "top \(count) of \(width)")
  precondition(indices.count == values.rows * count, "\(indices.count) indices for \(values.rows) × \(count)")
  workers.forEachRowBlock(of: values.rows, width: width) { rows in
    for row in rows {
      selectLargest(values.pointer + row * width, width: width, count: count, into: indices.pointer + row * count)
    }
  }
}

/// Keeps the best so far sorted, and inserts a value behind all that are not smaller.
private func selectLargest(
  _ values: UnsafeMutablePointer<Float>, width: Int, count: Int, into indices: UnsafeMutablePointer<Int32>
) {
  for column in 0..<width {
    let value = values[column]
    var place = min(column, count)
    while place > 0 && value > values[Int(indices[place - 1])] { place -= 1 }
    guard place < count else { continue }
    var last = min(column, count - 1)
    while last > place {
      indices[last] = indices[last - 1]
      last -= 1
    }
    indices[place] = Int32(column)
  }
}
