package import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Cosines and sines of the angles position · θ^(−2i/headSize), i < headSize/2.
///
/// Su et al.: RoFormer, 2021, equation 15. Angles are computed in f64.
package struct RotaryTable: Sendable {
  package let headSize: Int
  package let positionCount: Int
  fileprivate let cosines: Buffer<Float>
  fileprivate let sines: Buffer<Float>

  package init(headSize: Int, theta: Double, positionCount: Int) {
    precondition(headSize > 0 && headSize % 2 == 0, "rotary positions need an even head size, not \(headSize)")
    self.headSize = headSize
    self.positionCount = positionCount
    let half = headSize / 2
    cosines = Buffer(count: positionCount * half)
    sines = Buffer(count: positionCount * half)
    for index in 0..<half {
      let frequency = pow(theta, -Double(2 * index) / Double(headSize))
      for position in 0..<positionCount {
        let angle = Double(position) * frequency
        cosines[position * half + index] = Float(cos(angle))
        sines[position * half + index] = Float(sin(angle))
      }
    }
  }
}

/// Rotates, in place, the first `headCount` heads of every row: with a and b the halves of a head and c, s the cosines and
/// sines of the row's position, (a, b) → (a·c − b·s, b·c + a·s).
///
/// rows: [T, any width ≥ headCount · headSize]. Row t is at position t mod sequenceLength + firstPosition. Halves and not
/// neighbours are paired, as in Hugging Face's models.
package func rotate(
  _ rows: Tensor, headCount: Int, table: RotaryTable, sequenceLength: Int, firstPosition: Int = 0, workers: WorkerPool
) {
  rotate(
    rows, headCount: headCount, table: table, sequenceLength: sequenceLength, firstPosition: firstPosition,
    direction: 1, workers: workers)
}

/// The gradient's way back: the inverse rotation, (a, b) → (a·c + b·s, b·c − a·s).
package func rotateBackward(
  _ rows: Tensor, headCount: Int, table: RotaryTable, sequenceLength: Int, firstPosition: Int = 0, workers: WorkerPool
) {
  rotate(
    rows, headCount: headCount, table: table, sequenceLength: sequenceLength, firstPosition: firstPosition,
    direction: -1, workers: workers)
}

private func rotate(
  _ rows: Tensor, headCount: Int, table: RotaryTable, sequenceLength: Int, firstPosition: Int, direction: Float,
  workers: WorkerPool
) {
  let width = rows.columns
  let headSize = table.headSize
  let half = headSize / 2
  precondition(headCount * headSize <= width, "\(headCount) heads of \(headSize) in rows of \(width)")
  let lastPosition = firstPosition + min(sequenceLength, rows.rows)
  precondition(
    firstPosition >= 0 && lastPosition <= table.positionCount,
    "positions up to \(lastPosition) in a table of \(table.positionCount)")
  workers.forEachRowBlock(of: rows.rows, width: headCount * headSize) { block in
    for row in block {
      let position = row % sequenceLength + firstPosition
      let cosines = table.cosines.pointer + position * half
      let sines = table.sines.pointer + position * half
      for head in 0..<headCount {
        let first = rows.pointer + (row * width + head * headSize)
        let second = first + half
        for strip in strips(of: half) {
          let a = first[strip]
          let b = second[strip]
          let sine = sines[strip] * direction
          first[strip] = a * cosines[strip] - b * sine
          second[strip] = b * cosines[strip] + a * sine
        }
      }
    }
  }
}
