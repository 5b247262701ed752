import CBLIS
import Tensors

/// The matrix multiplications of one thread, by the library that gives a row the same bits in any batch on this processor
/// (docs/decisions/0010): oneDNN where it has its own kernels for AVX-512, BLIS elsewhere.
final class MatmulEngine {
  private let oneDNN = OneDNNMatmul()
  private let hasAVX512 = switchyard_has_avx512() != 0

  func multiply(_ a: Matrix, _ b: Matrix, into c: Matrix, accumulating: Bool) {
    precondition(
      a.columns == b.rows && c.rows == a.rows && c.columns == b.columns,
      "[\(a.rows), \(a.columns)] · [\(b.rows), \(b.columns)] into [\(c.rows), \(c.columns)]")
    guard c.rows > 0 && c.columns > 0 else { return }
    guard a.columns > 0 else {
      if !accumulating { c.fillWithZeros() }
      return
    }
    if hasAVX512 {
      oneDNN.multiply(a, b, into: c, accumulating: accumulating)
    } else {
      BLISMatmul.multiply(a, b, into: c, accumulating: accumulating)
    }
  }

  /// C = A·B with B in the layout that oneDNN likes best: the library's own ceiling.
  func multiply(_ a: Matrix, packed b: Buffer<Float>, into c: Matrix) { oneDNN.multiply(a, packed: b, into: c) }
  /// How many floats B takes in that layout.
  func packedCount(_ a: Matrix, into c: Matrix) -> Int { oneDNN.packedCount(a, into: c) }
}

extension Matrix {
  fileprivate func fillWithZeros() {
    for row in 0..<rows { (pointer + row * rowStride).update(repeating: 0, count: columns) }
  }
}
