package import Tensors

/// What one thread of a pool computes with: scratch memory and prepared matrix multiplications.
package final class Lane {
  private static let slotCount = 8
  /// Elements of the smallest area, so that tasks of slightly different sizes need no new one.
  private static let smallestArea = 1 << 14
  private var areas: [Buffer<Float>?] = Array(repeating: nil, count: slotCount)
  private let matmul = MatmulEngine()
  /// Set on the pool owner's lane alone.
  var betweenTasks: (() -> Void)?

  init() {}

  /// A point inside a long task at which messages may be poked; does nothing on the threads that may not.
  package func poke() { betweenTasks?() }

  /// Memory for temporaries inside a task; another slot is another area. It doubles when a larger one is asked for.
  package func scratch(_ count: Int, slot: Int = 0) -> UnsafeMutablePointer<Float> {
    area(count, slot).pointer
  }

  private func area(_ count: Int, _ slot: Int) -> Buffer<Float> {
    if let area = areas[slot], area.count >= count { return area }
    let area = Buffer<Float>(count: max(count, 2 * (areas[slot]?.count ?? 0), Self.smallestArea))
    areas[slot] = area
    return area
  }

  /// The same memory as a matrix.
  package func scratchTensor(_ rows: Int, _ columns: Int, slot: Int = 0) -> Tensor {
    Tensor(area(rows * columns, slot)[0..<rows * columns], shape: Shape(rows: rows, columns: columns))
  }

  /// C = A·B, or C += A·B. A row of C has the same bits whatever other rows A has (docs/numerics.md).
  package func multiply(_ a: Matrix, _ b: Matrix, into c: Matrix, accumulating: Bool = false) {
    matmul.multiply(a, b, into: c, accumulating: accumulating)
  }

  /// C = A·B with B in the layout that the library likes best; see `MatmulProbe`.
  func multiply(_ a: Matrix, packed b: Buffer<Float>, into c: Matrix) { matmul.multiply(a, packed: b, into: c) }
  func packedCount(_ a: Matrix, into c: Matrix) -> Int { matmul.packedCount(a, into: c) }
}
