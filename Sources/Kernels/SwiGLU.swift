package import Tensors

// R rows, F intermediate.   gateUp, dGateUp: [R, 2F], a row holding gate | up   a, dA, weightedA: [R, F]
// rowWeights, rowGradients: [R, 1]
//
// Shazeer: GLU Variants Improve Transformer, 2020, equation 6. With σ the logistic function:
//   a = g·σ(g)·u     ∂a/∂u = g·σ(g)     ∂a/∂g = u·σ(g)·(1 + g·(1 − σ(g)))

/// a = gate · σ(gate) · up
package func swiGLU(_ gateUp: Tensor, into a: Tensor, workers: WorkerPool) {
  workers.forEachRowBlock(of: a.rows, width: a.columns) { rows in swiGLURows(gateUp, into: a, rows: rows) }
}

/// `swiGLU` of some rows, on the calling thread.
package func swiGLURows(_ gateUp: Tensor, into a: Tensor, rows: Range<Int>) {
  let width = a.columns
  check(gateUp, rows: a.rows, columns: 2 * width, "gateUp")
  for row in rows {
    let gate = gateUp.pointer + 2 * row * width
    let up = gate + width
    let output = a.pointer + row * width
    for strip in strips(of: width) {
      let g = gate[strip]
      output[strip] = g * logistic(g) * up[strip]
    }
  }
}

/// dGateUp = the gradient of gate and up, given that of a.
package func swiGLUBackward(_ dA: Tensor, gateUp: Tensor, into dGateUp: Tensor, workers: WorkerPool) {
  workers.forEachRowBlock(of: dA.rows, width: dA.columns) { rows in
    swiGLUBackwardRows(dA, gateUp: gateUp, into: dGateUp, rows: rows)
  }
}

/// `swiGLUBackward` of some rows, on the calling thread.
package func swiGLUBackwardRows(_ dA: Tensor, gateUp: Tensor, into dGateUp: Tensor, rows: Range<Int>) {
  let width = dA.columns
  check(gateUp, rows: dA.rows, columns: 2 * width, "gateUp")
  check(dGateUp, rows: dA.rows, columns: 2 * width, "dGateUp")
  for row in rows {
    let gate = gateUp.pointer + 2 * row * width
    let dGate = dGateUp.pointer + 2 * row * width
    let gradient = dA.pointer + row * width
    for strip in strips(of: width) {
      let local = SwiGLUDerivative(gate: gate[strip], up: (gate + width)[strip])
      dGate[strip] = gradient[strip] * local.byGate
      (dGate + width)[strip] = gradient[strip] * local.byUp
    }
  }
}

/// The backward pass of an expert's activation, whose output counts `rowWeights[r]` times. In one pass over memory:
///
///   rowGradients[r] = Σ_f a[r,f]·dA[r,f]     dGateUp = gradient of gate and up given w·dA     weightedA = w·a
///
/// `dA` is the activation's gradient as if w were 1.
package func swiGLUExpertBackward(
  _ dA: Tensor, gateUp: Tensor, rowWeights: Tensor, into dGateUp: Tensor, weightedA: Tensor, rowGradients: Tensor,
  workers: WorkerPool
) {
  workers.forEachRowBlock(of: dA.rows, width: dA.columns) { rows in
    swiGLUExpertBackwardRows(
      dA, gateUp: gateUp, rowWeights: rowWeights, into: dGateUp, weightedA: weightedA, rowGradients: rowGradients,
      rows: rows)
  }
}

/// `swiGLUExpertBackward` of some rows, on the calling thread.
package func swiGLUExpertBackwardRows(
  _ dA: Tensor, gateUp: Tensor, rowWeights: Tensor, into dGateUp: Tensor, weightedA: Tensor, rowGradients: Tensor,
  rows: Range<Int>
) {
  let width = dA.columns
  check(gateUp, rows: dA.rows, columns: 2 * width, "gateUp")
  check(dGateUp, rows: dA.rows, columns: 2 * width, "dGateUp")
  check(weightedA, rows: dA.rows, columns: width, "weightedA")
  check(rowWeights, count: dA.rows, "rowWeights")
  check(rowGradients, count: dA.rows, "rowGradients")
  for row in rows {
    let gate = gateUp.pointer + 2 * row * width
    let dGate = dGateUp.pointer + 2 * row * width
    let gradient = dA.pointer + row * width
    let weighted = weightedA.pointer + row * width
    let weight = rowWeights.pointer[row]
    var gradientSum = StripSum()
    for strip in strips(of: width) {
      let up = (gate + width)[strip]
      let local = SwiGLUDerivative(gate: gate[strip], up: up)
      let unweighted = gradient[strip]
      let activation = local.byUp * up
      dGate[strip] = unweighted * weight * local.byGate
      (dGate + width)[strip] = unweighted * weight * local.byUp
      weighted[strip] = activation * weight
      gradientSum.addProduct(activation, unweighted)
    }
    rowGradients.pointer[row] = gradientSum.total
  }
}

/// ∂a/∂gate and ∂a/∂up; a itself is `byUp` · up.
private struct SwiGLUDerivative {
  let byGate: Vector
  let byUp: Vector

  @inline(__always) init(gate: Vector, up: Vector) {
    let sigma = logistic(gate)
    byUp = gate * sigma
    byGate = up * sigma.addingProduct(byUp, Vector(repeating: 1) - sigma)
  }
}
