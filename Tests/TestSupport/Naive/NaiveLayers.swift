#if canImport(Glibc)
  import Glibc
#endif

// The layers of a transformer in plain loops and double precision; nothing here is shared with the program.

/// scale[d] · x[t,d] / √(mean_d x² + ε)
package func naiveRMSNorm(_ x: NaiveMatrix, scale: NaiveMatrix, epsilon: Double) -> NaiveMatrix {
  NaiveMatrix(rows: x.rows, columns: x.columns) { row, column in
    let squares = x.row(row).reduce(0) { $0 + $1 * $1 }
    return scale.values[column] * x[row, column] / (squares / Double(x.columns) + epsilon).squareRoot()
  }
}

/// Rotates element i with element i + headSize/2 of each of the first heads by position · θ^(−2i/headSize).
package func naiveRotate(
  _ x: NaiveMatrix, headCount: Int, headSize: Int, theta: Double, position: (_ row: Int) -> Int
) -> NaiveMatrix {
  NaiveMatrix(rows: x.rows, columns: x.columns) { row, column in
    guard column < headCount * headSize else { return x[row, column] }
    let within = column % headSize
    let index = within % (headSize / 2)
    let angle = Double(position(row)) * pow(theta, -2 * Double(index) / Double(headSize))
    return within < headSize / 2
      ? x[row, column] * cos(angle) - x[row, column + headSize / 2] * sin(angle)
      : x[row, column] * cos(angle) + x[row, column - headSize / 2] * sin(angle)
  }
}

/// gate · σ(gate) · up, a row of the input holding gate | up
package func naiveSwiGLU(_ gateUp: NaiveMatrix) -> NaiveMatrix {
  NaiveMatrix(rows: gateUp.rows, columns: gateUp.columns / 2) { row, column in
    let gate = gateUp[row, column]
    return gate / (1 + exp(-gate)) * gateUp[row, column + gateUp.columns / 2]
  }
}

/// h/2 · (1 + erf(h/√2))
package func naiveGELU(_ h: NaiveMatrix) -> NaiveMatrix {
  NaiveMatrix(rows: h.rows, columns: h.columns) { row, column in
    h[row, column] / 2 * (1 + erf(h[row, column] / 2.0.squareRoot()))
  }
}

/// exp z / Σ exp z in each row
package func naiveSoftmax(_ logits: NaiveMatrix) -> NaiveMatrix {
  NaiveMatrix(rows: logits.rows, columns: logits.columns) { row, column in
    exp(logits[row, column] - naiveLogSumExp(logits.row(row)))
  }
}

package func naiveLogSumExp(_ values: [Double]) -> Double {
  let largest = values.max() ?? 0
  return largest + log(values.reduce(0) { $0 + exp($1 - largest) })
}

/// Σ over the predicted tokens of log Σ exp z − z[target], z = hidden · weightᵀ
package func naiveOutputHeadLoss(hidden: NaiveMatrix, weight: NaiveMatrix, targets: [Int32]) -> Double {
  (0..<hidden.rows).filter { targets[$0] >= 0 }.reduce(0) { sum, row in
    let logits = (0..<weight.rows).map { word in zip(hidden.row(row), weight.row(word)).reduce(0) { $0 + $1.0 * $1.1 } }
    return sum + naiveLogSumExp(logits) - logits[Int(targets[row])]
  }
}
