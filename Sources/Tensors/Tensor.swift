/// A dense row-major array of `Float`. Copies and slices share the elements.
///
/// Most code sees a tensor as a matrix: `rows` is the first extent, `columns` the product of the others.
package struct Tensor: Sendable {
  package let buffer: Buffer<Float>
  package let shape: Shape

  package init(_ buffer: Buffer<Float>, shape: Shape) {
    precondition(buffer.count == shape.elementCount, "\(buffer.count) elements in shape \(shape)")
    self.buffer = buffer
    self.shape = shape
  }

  /// A new tensor of zeros, outside of any workspace.
  package init(zeros shape: Shape) { self.init(Buffer(count: shape.elementCount), shape: shape) }

  /// A new tensor with the given elements, row-major.
  package init(_ elements: [Float], shape: Shape) { self.init(Buffer(elements), shape: shape) }

  package var count: Int { shape.elementCount }
  package var rows: Int { shape.rank == 0 ? 1 : shape[0] }
  package var columns: Int { rows == 0 ? trailing : count / rows }
  package var pointer: UnsafeMutablePointer<Float> { buffer.pointer }
  package var elements: [Float] { buffer.elements }

  private var trailing: Int { (1..<max(shape.rank, 1)).reduce(1) { $0 * shape[$1] } }

  package subscript(row: Int, column: Int) -> Float {
    get { buffer[checked(row, column)] }
    nonmutating set { buffer[checked(row, column)] = newValue }
  }

  /// The rows in a range, as a matrix over the same memory.
  package subscript(rows range: Range<Int>) -> Tensor {
    let width = columns
    return Tensor(
      buffer[range.lowerBound * width..<range.upperBound * width], shape: Shape(rows: range.count, columns: width))
  }

  /// The same elements under another shape.
  package func reshaped(_ shape: Shape) -> Tensor { Tensor(buffer, shape: shape) }

  package func fill(_ value: Float) { buffer.fill(value) }
  package func copy(from other: Tensor) { buffer.copy(from: other.buffer) }

  private func checked(_ row: Int, _ column: Int) -> Int {
    precondition(row >= 0 && row < rows && column >= 0 && column < columns, "[\(row), \(column)] of \(shape)")
    return row * columns + column
  }
}
