import RealModule
package import Tensors

// T rows, E columns.   logits, probabilities and their gradients: [T, E]   logSumExp: [T, 1]

/// p[t,e] = exp(z[t,e] − log Σ_e exp z[t,e]), and that logarithm if asked for.
package func softmax(_ logits: Tensor, into probabilities: Tensor, logSumExp: Tensor?, workers: WorkerPool) {
  let width = logits.columns
  check(probabilities, rows: logits.rows, columns: width, "probabilities")
  if let logSumExp { check(logSumExp, count: logits.rows, "logSumExp") }
  workers.forEachRowBlock(of: logits.rows, width: width) { rows in
    for row in rows {
      let output = probabilities.pointer + row * width
      let parts = exponentialsAndSum(of: logits.pointer + row * width, into: output, count: width)
      let inverse = 1 / parts.sum
      for strip in strips(of: width) { output[strip] *= inverse }
      logSumExp?.pointer[row] = parts.logSumExp
    }
  }
}

/// dz += p · (dp − Σ_e dp·p)
package func softmaxBackward(
  _ dProbabilities: Tensor, probabilities: Tensor, accumulatingInto dLogits: Tensor, workers: WorkerPool
) {
  let width = probabilities.columns
  check(dProbabilities, rows: probabilities.rows, columns: width, "dProbabilities")
  check(dLogits, rows: probabilities.rows, columns: width, "dLogits")
  workers.forEachRowBlock(of: probabilities.rows, width: width) { rows in
    for row in rows {
      let p = probabilities.pointer + row * width
      let gradient = dProbabilities.pointer + row * width
      let output = dLogits.pointer + row * width
      let mean = dot(gradient, p, count: width)
      for strip in strips(of: width) { output[strip] += p[strip] * (gradient[strip] - mean) }
    }
  }
}

/// What the exponentials of a row add up to.
struct SoftmaxParts {
  let largest: Float
  /// Σ exp(z − largest)
  let sum: Float

  var logSumExp: Float { largest + Float.log(sum) }
}

/// Writes exp(z − max z) and returns max and sum. `exponentials` may be `z`.
@inline(__always) func exponentialsAndSum(
  of z: UnsafeMutablePointer<Float>, into exponentials: UnsafeMutablePointer<Float>, count: Int
) -> SoftmaxParts {
  let largest = maximum(z, count: count)
  for strip in strips(of: count) { exponentials[strip] = exponential(z[strip] - largest) }
  return SoftmaxParts(largest: largest, sum: sum(exponentials, count: count))
}
