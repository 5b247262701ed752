package import Tensors

/// A matrix in double precision, for references in plain loops and for what they are compared with.
package struct NaiveMatrix: Sendable {
  package let rows: Int
  package let columns: Int
  package var values: [Double]

  package init(rows: Int, columns: Int, _ value: (_ row: Int, _ column: Int) -> Double = { _, _ in 0 }) {
    self.rows = rows
    self.columns = columns
    values = (0..<rows * columns).map { value($0 / columns, $0 % columns) }
  }

  /// The exact values of a tensor.
  package init(_ tensor: Tensor) {
    rows = tensor.rows
    columns = tensor.columns
    values = tensor.elements.map(Double.init)
  }

  package subscript(row: Int, column: Int) -> Double {
    get { values[row * columns + column] }
    set { values[row * columns + column] = newValue }
  }

  package func row(_ row: Int) -> [Double] { Array(values[row * columns..<(row + 1) * columns]) }

  /// Σ of the products of corresponding elements.
  package func dot(_ other: NaiveMatrix) -> Double { zip(values, other.values).reduce(0) { $0 + $1.0 * $1.1 } }
}

extension Tensor {
  /// Random values in −scale ..< scale.
  package static func random(_ rows: Int, _ columns: Int, seed: UInt64, scale: Float = 1) -> Tensor {
    let random = CounterRandom(seed: seed, stream: "tests")
    let elements = (0..<rows * columns).map { (random.uniform(UInt64($0)) * 2 - 1) * scale }
    return Tensor(elements, shape: Shape(rows: rows, columns: columns))
  }

  /// Nothing if every element is within `tolerance` of the reference, relative to the reference's largest magnitude;
  /// otherwise the worst element in words.
  package func difference(from reference: NaiveMatrix, tolerance: Double) -> String? {
    guard rows == reference.rows && columns == reference.columns else {
      return "[\(rows), \(columns)] instead of [\(reference.rows), \(reference.columns)]"
    }
    let largest = reference.values.reduce(1e-30) { max($0, abs($1)) }
    let errors = zip(elements, reference.values).map { abs(Double($0) - $1) / largest }
    guard let worst = errors.indices.max(by: { !(errors[$1] <= errors[$0]) }) else { return nil }
    guard !(errors[worst] <= tolerance) else { return nil }
    return "[\(worst / columns), \(worst % columns)] is \(elements[worst]), not \(reference.values[worst]): "
      + "off by \(errors[worst]) of \(largest)"
  }

  /// The elements' bits, for comparisons that must be exact.
  package var bits: Bits { Bits(elements.map(\.bitPattern)) }
}

/// Bits to compare. Not a collection, so that a failed expectation does not search for the shortest way from one to the
/// other.
package struct Bits: Hashable, CustomStringConvertible {
  private let words: [UInt32]

  package init(_ words: [UInt32]) { self.words = words }

  package init(_ value: Double) {
    words = [UInt32(truncatingIfNeeded: value.bitPattern), UInt32(truncatingIfNeeded: value.bitPattern >> 32)]
  }

  /// How many different words there are.
  package var distinctCount: Int { Set(words).count }
  package var description: String { "\(words.count) words, hash \(hashValue)" }

  package static func + (first: Bits, second: Bits) -> Bits { Bits(first.words + second.words) }
}

/// The derivative of `function` by every element of `x`, by central differences.
package func finiteDifferences(at x: NaiveMatrix, of function: (NaiveMatrix) -> Double) -> NaiveMatrix {
  NaiveMatrix(rows: x.rows, columns: x.columns) { row, column in
    finiteDifference(at: x, row: row, column: column, of: function)
  }
}

/// The derivative of `function` by one element of `x`: (f(x + h) − f(x − h)) / 2h.
package func finiteDifference(
  at x: NaiveMatrix, row: Int, column: Int, of function: (NaiveMatrix) -> Double
) -> Double {
  let step = 1e-5
  var above = x
  var below = x
  above[row, column] += step
  below[row, column] -= step
  return (function(above) - function(below)) / (2 * step)
}
