import Tensors

/// The same matrix multiplication over and over on every thread: what it reaches is the machine's ceiling.
///
/// The weights lie in oneDNN's own packed layout, its fastest form, which training does not use (docs/decisions): the
/// ceiling is the machine's, not our own path's. Operands are shared; each thread has a product of its own.
package struct MatmulProbe {
  package let rows: Int
  package let depth: Int
  package let columns: Int
  private let left: Tensor
  private let right: Buffer<Float>

  package init(rows: Int, depth: Int, columns: Int) {
    self.rows = rows
    self.depth = depth
    self.columns = columns
    left = Tensor(zeros: Shape(rows: rows, columns: depth))
    left.fill(0.5)
    let product = Tensor(zeros: Shape(rows: rows, columns: columns))
    right = Buffer(count: Lane().packedCount(Matrix(left), into: Matrix(product)))
    right.fill(0.25)
  }

  /// Floating-point operations of one multiplication.
  package var flops: Double { 2 * Double(rows) * Double(depth) * Double(columns) }

  /// Multiplies `count` times, each time on whichever thread is free.
  package func multiply(_ count: Int, workers: WorkerPool) {
    workers.run(count) { _, lane in
      let product = Matrix(lane.scratch(rows * columns), rows: rows, columns: columns)
      lane.multiply(Matrix(left), packed: right, into: product)
    }
  }
}
