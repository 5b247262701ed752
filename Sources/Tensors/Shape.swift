/// The extents of a tensor, outermost first; at most four.
package struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
  private var extents: SIMD4<Int>
  /// How many extents there are.
  package let rank: Int
  /// The product of the extents.
  package let elementCount: Int

  package init(_ dimensions: [Int]) {
    precondition(dimensions.count <= 4, "a shape of \(dimensions.count) dimensions")
    extents = SIMD4(repeating: 1)
    rank = dimensions.count
    var product = 1
    for (index, extent) in dimensions.enumerated() {
      precondition(extent >= 0, "a shape with extent \(extent)")
      extents[index] = extent
      product *= extent
    }
    elementCount = product
  }

  package init(arrayLiteral elements: Int...) { self.init(elements) }

  /// A matrix of `rows` × `columns`, made without an array.
  package init(rows: Int, columns: Int) {
    precondition(rows >= 0 && columns >= 0, "a shape of \(rows) × \(columns)")
    extents = SIMD4(rows, columns, 1, 1)
    rank = 2
    elementCount = rows * columns
  }

  package subscript(dimension: Int) -> Int {
    precondition(dimension >= 0 && dimension < rank, "dimension \(dimension) of \(rank)")
    return extents[dimension]
  }

  /// The extents as an array, for files and messages.
  package var dimensions: [Int] { (0..<rank).map { extents[$0] } }

  package var description: String { "[" + dimensions.map(String.init).joined(separator: ", ") + "]" }
}
