package import Tensors

// R rows, F intermediate.   h, dH, a, dA, weightedA: [R, F]   rowWeights, rowGradients: [R, 1]
//
// Hendrycks, Gimpel: Gaussian Error Linear Units, 2016, the exact form. With Φ and φ the normal distribution and density:
//   a = h·Φ(h)     ∂a/∂h = Φ(h) + h·φ(h)     Φ(h) = ½·(1 + erf(h/√2))     φ(h) = e^(−h²/2) / √(2π)

/// a = h · Φ(h)
package func gelu(_ h: Tensor, into a: Tensor, workers: WorkerPool) {
  workers.forEachRowBlock(of: a.rows, width: a.columns) { rows in geluRows(h, into: a, rows: rows) }
}

/// `gelu` of some rows, on the calling thread.
package func geluRows(_ h: Tensor, into a: Tensor, rows: Range<Int>) {
  let width = a.columns
  check(h, rows: a.rows, columns: width, "h")
  for row in rows {
    let input = h.pointer + row * width
    let output = a.pointer + row * width
    for strip in strips(of: width) {
      let x = input[strip]
      output[strip] = x * NormalDistribution(x).cumulative
    }
  }
}

/// dH = dA · (Φ(h) + h·φ(h))
package func geluBackward(_ dA: Tensor, h: Tensor, into dH: Tensor, workers: WorkerPool) {
  workers.forEachRowBlock(of: dA.rows, width: dA.columns) { rows in geluBackwardRows(dA, h: h, into: dH, rows: rows) }
}

/// `geluBackward` of some rows, on the calling thread.
package func geluBackwardRows(_ dA: Tensor, h: Tensor, into dH: Tensor, rows: Range<Int>) {
  let width = dA.columns
  check(h, rows: dA.rows, columns: width, "h")
  check(dH, rows: dA.rows, columns: width, "dH")
  for row in rows {
    let offset = row * width
    let input = h.pointer + offset
    let gradient = dA.pointer + offset
    let output = dH.pointer + offset
    for strip in strips(of: width) {
      let x = input[strip]
      let normal = NormalDistribution(x)
      output[strip] = gradient[strip] * normal.cumulative.addingProduct(x, normal.density)
    }
  }
}

/// The backward pass of an expert's activation, whose output counts `rowWeights[r]` times. In one pass over memory:
///
///   rowGradients[r] = Σ_f a[r,f]·dA[r,f]     dH = gradient of h given w·dA     weightedA = w·a
///
/// `dA` is the activation's gradient as if w were 1.
package func geluExpertBackward(
  _ dA: Tensor, h: Tensor, rowWeights: Tensor, into dH: Tensor, weightedA: Tensor, rowGradients: Tensor,
  workers: WorkerPool
) {
  workers.forEachRowBlock(of: dA.rows, width: dA.columns) { rows in
    geluExpertBackwardRows(
      dA, h: h, rowWeights: rowWeights, into: dH, weightedA: weightedA, rowGradients: rowGradients, rows: rows)
  }
}

/// `geluExpertBackward` of some rows, on the calling thread.
package func geluExpertBackwardRows(
  _ dA: Tensor, h: Tensor, rowWeights: Tensor, into dH: Tensor, weightedA: Tensor, rowGradients: Tensor,
  rows: Range<Int>
) {
  let width = dA.columns
  check(h, rows: dA.rows, columns: width, "h")
  check(dH, rows: dA.rows, columns: width, "dH")
  check(weightedA, rows: dA.rows, columns: width, "weightedA")
  check(rowWeights, count: dA.rows, "rowWeights")
  check(rowGradients, count: dA.rows, "rowGradients")
  for row in rows {
    let input = h.pointer + row * width
    let gradient = dA.pointer + row * width
    let output = dH.pointer + row * width
    let weighted = weightedA.pointer + row * width
    let weight = rowWeights.pointer[row]
    var gradientSum = StripSum()
    for strip in strips(of: width) {
      let x = input[strip]
      let unweighted = gradient[strip]
      let normal = NormalDistribution(x)
      let activation = x * normal.cumulative
      output[strip] = unweighted * weight * normal.cumulative.addingProduct(x, normal.density)
      weighted[strip] = activation * weight
      gradientSum.addProduct(activation, unweighted)
    }
    rowGradients.pointer[row] = gradientSum.total
  }
}
