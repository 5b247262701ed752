import Tensors

/// Some rows of a table, as one bit a row: what ranks tell each other about the rows that they have touched.
struct RowSet {
  let rowCount: Int
  /// Bit `r % 64` of word `r / 64` stands for row `r`.
  let words: Buffer<UInt64>

  init(rowCount: Int) {
    self.rowCount = rowCount
    words = Buffer(count: (rowCount + 63) / 64)
    clear()
  }

  func clear() { words.fill(0) }

  func insert(_ row: Int) {
    precondition(row >= 0 && row < rowCount, "row \(row) of \(rowCount)")
    words[row / 64] |= 1 << UInt64(row % 64)
  }

  /// The rows that any of several sets has, in ascending order.
  ///
  /// - Parameter sets: the words of sets of as many rows, one after another.
  func rows(ofAny sets: Buffer<UInt64>) -> [Int] {
    var rows: [Int] = []
    for place in 0..<words.count {
      var word: UInt64 = 0
      for other in stride(from: place, to: sets.count, by: words.count) { word |= sets[other] }
      while word != 0 {
        rows.append(64 * place + word.trailingZeroBitCount)
        word &= word - 1
      }
    }
    return rows
  }
}
