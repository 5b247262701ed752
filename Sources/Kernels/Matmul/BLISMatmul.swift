import CBLIS

/// Single-threaded matrix multiplication by BLIS.
///
/// Every tile of the product is computed by one micro-kernel over packed, zero-padded panels, and the inner dimension is cut
/// by its own size alone, so a row has the same bits whatever the number of rows is.
enum BLISMatmul {
  static func multiply(_ a: Matrix, _ b: Matrix, into c: Matrix, accumulating: Bool) {
    switchyard_sgemm(
      a.rows, b.columns, a.columns, a.pointer, a.rowStride, a.columnStride, b.pointer, b.rowStride, b.columnStride,
      accumulating ? 1 : 0, c.pointer, c.rowStride)
  }
}
