import Tensors

/// Tensors that lie one after another in a layout, read as one matrix.
struct JoinedSlot: Hashable, Sendable {
  let range: Range<Int>
  let shape: Shape

  init(_ layout: ParameterLayout, from first: String, through last: String, columns: Int) {
    range = layout.range(from: first, through: last)
    shape = Shape(rows: range.count / columns, columns: columns)
  }

  func matrix(in buffer: ParameterBuffer) -> Tensor { Tensor(buffer.values[range], shape: shape) }
}
