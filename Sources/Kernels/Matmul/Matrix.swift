package import Tensors

/// A view of floats as rows and columns; either rows or columns are contiguous.
package struct Matrix {
  package let pointer: UnsafeMutablePointer<Float>
  package let rows: Int
  package let columns: Int
  /// Elements from one row to the next, and from one column to the next; one of them is 1.
  let rowStride: Int
  let columnStride: Int

  package init(_ pointer: UnsafeMutablePointer<Float>, rows: Int, columns: Int, rowStride: Int? = nil) {
    self.init(pointer, rows: rows, columns: columns, rowStride: rowStride ?? columns, columnStride: 1)
  }

  package init(_ tensor: Tensor) { self.init(tensor.pointer, rows: tensor.rows, columns: tensor.columns) }

  private init(_ pointer: UnsafeMutablePointer<Float>, rows: Int, columns: Int, rowStride: Int, columnStride: Int) {
    self.pointer = pointer
    self.rows = rows
    self.columns = columns
    self.rowStride = rowStride
    self.columnStride = columnStride
  }

  package var transposed: Matrix {
    Matrix(pointer, rows: columns, columns: rows, rowStride: columnStride, columnStride: rowStride)
  }

  /// A range of rows (or, of a transposed matrix, of the columns of what it views).
  package func rows(_ range: Range<Int>) -> Matrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    return Matrix(
      pointer + range.lowerBound * rowStride, rows: range.count, columns: columns, rowStride: rowStride,
      columnStride: columnStride)
  }
}
