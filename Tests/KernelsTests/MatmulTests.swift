import Kernels
import Tensors
import TestSupport
import Testing

/// A product's extents: C [M, N] = A [M, K] · B [K, N].
struct MatmulShape: Hashable, Sendable, CustomTestStringConvertible {
  let rows, inner, columns: Int

  init(_ rows: Int, _ inner: Int, _ columns: Int) {
    self.rows = rows
    self.inner = inner
    self.columns = columns
  }

  var testDescription: String { "[\(rows), \(inner)] · [\(inner), \(columns)]" }
}

@Suite struct MatmulTests {
  static let shapes = [
    MatmulShape(1, 1, 1), MatmulShape(3, 5, 7), MatmulShape(7, 7, 5), MatmulShape(1, 64, 8), MatmulShape(33, 64, 8),
    MatmulShape(16, 1, 16), MatmulShape(64, 24, 80), MatmulShape(65, 40, 24), MatmulShape(2, 300, 3),
    MatmulShape(129, 128, 100),
  ]

  @Test(arguments: shapes, [(false, false), (false, true), (true, false), (true, true)])
  func productIsThatOfPlainLoops(shape: MatmulShape, transposed: (a: Bool, b: Bool)) {
    let a = Operand(shape.rows, shape.inner, isTransposed: transposed.a, seed: 1)
    let b = Operand(shape.inner, shape.columns, isTransposed: transposed.b, seed: 2)
    let c = Tensor.random(shape.rows, shape.columns, seed: 3)
    let before = NaiveMatrix(c)
    let product = NaiveMatrix(rows: shape.rows, columns: shape.columns) { row, column in
      (0..<shape.inner).reduce(0) { $0 + a.naive[row, $1] * b.naive[$1, column] }
    }
    onOneLane { lane in lane.multiply(a.matrix, b.matrix, into: Matrix(c), accumulating: true) }
    let sum = NaiveMatrix(rows: shape.rows, columns: shape.columns) { before[$0, $1] + product[$0, $1] }
    expect(c, sum)
    c.fill(.nan)
    onOneLane { lane in lane.multiply(a.matrix, b.matrix, into: Matrix(c)) }
    expect(c, product)
  }

  @Test func productOfViewsLeavesTheirSurroundingsAlone() {
    // Five columns out of nine of each matrix.
    let (a, b, c) = (Tensor.random(12, 9, seed: 1), Tensor.random(5, 9, seed: 2), Tensor.random(12, 9, seed: 3))
    let before = c.elements
    onOneLane { lane in
      lane.multiply(
        Matrix(a.pointer + 2, rows: 12, columns: 5, rowStride: 9),
        Matrix(b.pointer + 3, rows: 5, columns: 5, rowStride: 9),
        into: Matrix(c.pointer + 1, rows: 12, columns: 5, rowStride: 9))
    }
    for row in 0..<12 {
      for column in 0..<9 {
        let isInside = (1..<6).contains(column)
        let product = (0..<5).reduce(0.0) { $0 + Double(a[row, 2 + $1]) * Double(b[$1, 3 + max(column - 1, 0) % 5]) }
        let wanted = isInside ? product : Double(before[row * 9 + column])
        #expect(abs(Double(c[row, column]) - wanted) < 1e-5)
      }
    }
  }

  @Test func emptyProducts() {
    let none = Tensor(zeros: [0, 4])
    let c = Tensor.random(3, 5, seed: 1)
    let before = c.elements
    onOneLane { lane in
      lane.multiply(Matrix(none), Matrix(Tensor(zeros: [4, 5])), into: Matrix(Tensor(zeros: [0, 5])))
      let (a, b) = (Matrix(Tensor(zeros: [3, 0])), Matrix(Tensor(zeros: [0, 5])))
      lane.multiply(a, b, into: Matrix(c), accumulating: true)
      #expect(c.elements == before)
      lane.multiply(a, b, into: Matrix(c))
      #expect(c.elements == Array(repeating: 0, count: 15))
    }
  }

  static let widths = [
    MatmulShape(300, 64, 8), MatmulShape(300, 256, 8), MatmulShape(300, 5, 7), MatmulShape(300, 5, 8),
    MatmulShape(300, 7, 1), MatmulShape(300, 1, 1), MatmulShape(300, 24, 80), MatmulShape(300, 40, 24),
    MatmulShape(300, 128, 128), MatmulShape(300, 33, 257), MatmulShape(300, 512, 100), MatmulShape(300, 1000, 16),
    MatmulShape(300, 256, 512),
  ]

  @Test(arguments: widths, [false, true])
  func aRowHasTheSameBitsInAnyBatch(shape: MatmulShape, isTransposed: Bool) {
    let a = Tensor.random(shape.rows, shape.inner, seed: 4)
    let b = Operand(shape.inner, shape.columns, isTransposed: isTransposed, seed: 5)
    for isAccumulating in [false, true] {
      let whole = product(a, b, 0..<shape.rows, isAccumulating)
      for count in Array(1...48) + [63, 64, 65, 96, 100, 127, 128, 129, 144, 191, 192, 200, 255, 256, 257, 272, 299] {
        for start in Set([0, 13 % (shape.rows - count), shape.rows - count]) {
          let part = product(a, b, start..<start + count, isAccumulating)
          let same = part == Array(whole[start * shape.columns..<(start + count) * shape.columns])
          #expect(same, "\(count) rows from \(start)")
        }
      }
      for row in 0..<shape.rows {
        let alone = product(a, b, row..<row + 1, isAccumulating)
        let same = alone == Array(whole[row * shape.columns..<(row + 1) * shape.columns])
        #expect(same, "row \(row) alone")
      }
    }
  }

  /// The bits of some rows' product, added to a matrix of the same numbers in every row if `isAccumulating`.
  private func product(_ a: Tensor, _ b: Operand, _ rows: Range<Int>, _ isAccumulating: Bool) -> [UInt32] {
    let c = Tensor(zeros: [rows.count, b.matrix.columns])
    if isAccumulating { c.fill(0.3) }
    onOneLane { lane in
      lane.multiply(Matrix(a).rows(rows), b.matrix, into: Matrix(c), accumulating: isAccumulating)
    }
    return c.elements.map(\.bitPattern)
  }

  private func expect(_ c: Tensor, _ reference: NaiveMatrix) {
    let difference = c.difference(from: reference, tolerance: 1e-6)
    #expect(difference == nil, "\(difference ?? "")")
  }

  private let workers = WorkerPool(threadCount: 1)

  private func onOneLane(_ body: (Lane) -> Void) {
    workers.run(1) { _, lane in body(lane) }
  }

  /// A random matrix that lies in memory by rows or by columns.
  struct Operand {
    let storage: Tensor
    let matrix: Matrix
    let naive: NaiveMatrix

    init(_ rows: Int, _ columns: Int, isTransposed: Bool, seed: UInt64) {
      let storage = isTransposed ? Tensor.random(columns, rows, seed: seed) : Tensor.random(rows, columns, seed: seed)
      self.storage = storage
      matrix = isTransposed ? Matrix(storage).transposed : Matrix(storage)
      naive = NaiveMatrix(rows: rows, columns: columns) { row, column in
        Double(isTransposed ? storage[column, row] : storage[row, column])
      }
    }
  }
}

@Suite struct LinearTests {
  static let shapes = [
    MatmulShape(0, 6, 4), MatmulShape(1, 6, 4), MatmulShape(70, 5, 7), MatmulShape(64, 64, 8), MatmulShape(300, 24, 80),
    MatmulShape(1100, 33, 70), MatmulShape(50, 20, 300),
  ]

  /// T tokens, D inputs, N outputs.
  struct Run {
    let x, weight, y, dy, dx, dWeight: Tensor

    init(_ shape: MatmulShape, threads: Int, accumulating: Bool = false) {
      let (count, inputs, outputs) = (shape.rows, shape.inner, shape.columns)
      x = Tensor.random(count, inputs, seed: 1)
      weight = Tensor.random(outputs, inputs, seed: 2)
      dy = Tensor.random(count, outputs, seed: 3)
      y = Tensor(zeros: [count, outputs])
      dx = Tensor(zeros: [count, inputs])
      dWeight = Tensor(zeros: [outputs, inputs])
      for target in [y, dx, dWeight] { target.fill(accumulating ? 0.5 : .nan) }
      let workers = WorkerPool(threadCount: threads)
      linear(x, weight: weight, into: y, workers: workers)
      linearInputGradient(dy, weight: weight, into: dx, accumulating: accumulating, workers: workers)
      linearWeightGradient(dy, x: x, into: dWeight, accumulating: accumulating, workers: workers)
    }
  }

  @Test(arguments: shapes, [false, true])
  func linearAndItsGradientsAreThoseOfPlainLoops(shape: MatmulShape, accumulating: Bool) {
    let run = Run(shape, threads: 2, accumulating: accumulating)
    let (x, weight, dy) = (NaiveMatrix(run.x), NaiveMatrix(run.weight), NaiveMatrix(run.dy))
    let before = accumulating ? 0.5 : 0
    let y = NaiveMatrix(rows: shape.rows, columns: shape.columns) { t, n in
      (0..<shape.inner).reduce(0) { $0 + x[t, $1] * weight[n, $1] }
    }
    let dx = NaiveMatrix(rows: shape.rows, columns: shape.inner) { t, d in
      (0..<shape.columns).reduce(before) { $0 + dy[t, $1] * weight[$1, d] }
    }
    let dWeight = NaiveMatrix(rows: shape.columns, columns: shape.inner) { n, d in
      (0..<shape.rows).reduce(before) { $0 + dy[$1, n] * x[$1, d] }
    }
    for (result, reference) in [(run.y, y), (run.dx, dx), (run.dWeight, dWeight)] {
      let difference = result.difference(from: reference, tolerance: 3e-6)
      #expect(difference == nil, "\(difference ?? "")")
    }
  }

  @Test(arguments: shapes, [false, true])
  func bitsDoNotDependOnTheThreadCount(shape: MatmulShape, accumulating: Bool) {
    let one = Run(shape, threads: 1, accumulating: accumulating)
    for threads in [2, 3] {
      let run = Run(shape, threads: threads, accumulating: accumulating)
      #expect(run.y.bits == one.y.bits)
      #expect(run.dx.bits == one.dx.bits)
      #expect(run.dWeight.bits == one.dWeight.bits)
    }
  }
}
