import Tensors

extension WorkerPool {
  /// How many elements a task of an elementwise kernel works on: about ten microseconds.
  private static let elementsPerTask = 32768

  /// Runs `body` over the rows `0 ..< count` in blocks whose size depends on the row's width alone.
  func forEachRowBlock(of count: Int, width: Int, _ body: (Range<Int>) -> Void) {
    let size = max(1, Self.elementsPerTask / max(width, 1))
    run((count + size - 1) / size) { task, _ in
      body(task * size..<min((task + 1) * size, count))
    }
  }

  /// Runs `body` over `0 ..< count` elements in blocks of one size.
  func forEachElementBlock(of count: Int, _ body: (Range<Int>) -> Void) {
    forEachRowBlock(of: count, width: 1, body)
  }
}

/// Stops with both numbers if a matrix has not the shape that a kernel needs.
func check(_ tensor: Tensor, rows: Int, columns: Int, _ name: StaticString) {
  precondition(
    tensor.rows == rows && tensor.columns == columns, "\(name) is \(tensor.shape), not [\(rows), \(columns)]")
}

/// Stops if a vector has not `count` elements.
func check(_ tensor: Tensor, count: Int, _ name: StaticString) {
  precondition(tensor.count == count, "\(name) has \(tensor.count) elements, not \(count)")
}
