/// What the parts of an MoE layer cost on one thread of a machine, in seconds.
///
/// A matrix product takes its operations over the measured rate of its number of rows. Everything else (activations, rows
/// that are packed, placed and summed) takes the bytes it reads and writes over the rate of copying.
package struct TaskCosts: Hashable, Sendable {
  package let shape: LayerShape
  package let machine: MachineModel

  package init(_ shape: LayerShape, on machine: MachineModel) {
    self.shape = shape
    self.machine = machine
  }

  /// h = x·Wiᵀ, a = act(h), y = a·Woᵀ: 2·R·(matrices)·D·F operations; h is read and a written.
  package func forward(rows: Int) -> Double {
    products(rows: rows) + moving(elementsPerRow: Double(shape.inputMatrixCount + 1), rows)
  }

  /// da = g·Wo, dh = act′(h)·da, dx = dh·Wi: as many operations; da and h are read, dh and the weighted a written.
  package func inputGradient(rows: Int) -> Double {
    products(rows: rows) + moving(elementsPerRow: Double(2 * shape.inputMatrixCount + 2), rows)
  }

  /// A block of rows of dWi or dWo over all rows of an expert: 2·block·D·R (or F·R) operations. The sum runs over the
  /// expert's rows: as many of them as a product has rows are what keeps it busy.
  package func weightGradient(block: WeightBlock, rows: Int) -> Double {
    let width = block.isInput ? shape.hiddenSize : shape.intermediateSize
    guard rows > 0 else { return 0 }
    return 2 * Double(block.rowCount) * Double(width) * Double(rows) / machine.matmul.flopsPerSecond(rows: rows)
  }

  /// The logits of T tokens are one product of T·D·E, their gradients two.
  package func router(tokens: Int, _ pass: SimulatedPass) -> Double {
    guard tokens > 0 else { return 0 }
    return (pass == .forward ? 2 : 4) * Double(tokens) * Double(shape.hiddenSize) * Double(shape.expertCount)
      / machine.matmul.flopsPerSecond(rows: tokens)
  }

  /// What an expert takes at least for its rows in a pass, however they are cut: products at the best rate of so many rows.
  package func least(rows: Int, _ pass: SimulatedPass) -> Double {
    guard rows > 0 else { return 0 }
    let products = Double(rows) * shape.flopsPerRow / machine.matmul.bestFlopsPerSecond(upTo: rows)
    return pass == .forward ? products : 2 * products
  }

  /// Rows of width D that are read and rows that are written.
  package func movingRows(read: Double, written: Double) -> Double {
    (read + written) * shape.rowByteCount / machine.copyBytesPerSecond
  }

  private func products(rows: Int) -> Double {
    rows > 0 ? Double(rows) * shape.flopsPerRow / machine.matmul.flopsPerSecond(rows: rows) : 0
  }

  /// Elements of width F that are read or written for each row.
  private func moving(elementsPerRow: Double, _ rows: Int) -> Double {
    4 * elementsPerRow * Double(rows) * Double(shape.intermediateSize) / machine.copyBytesPerSecond
  }
}

/// A block of rows of one matrix's gradient, which one task computes.
package struct WeightBlock: Hashable, Sendable {
  package let isInput: Bool
  package let rowCount: Int

  /// Rows of a block at most: what products like best.
  private static let largest = 640

  /// The blocks of one expert: of the input matrices' rows, then of the output matrix's.
  package static func blocks(_ shape: LayerShape) -> [WeightBlock] {
    let inner = shape.inputMatrixCount * shape.intermediateSize
    return even(inner, isInput: true) + even(shape.hiddenSize, isInput: false)
  }

  /// One block, or an even number of them, so that two threads have the same work.
  private static func even(_ rowCount: Int, isInput: Bool) -> [WeightBlock] {
    let needed = (rowCount + largest - 1) / largest
    let count = needed > 1 ? needed + needed % 2 : 1
    return (0..<count).map {
      WeightBlock(isInput: isInput, rowCount: ($0 + 1) * rowCount / count - $0 * rowCount / count)
    }
  }
}
