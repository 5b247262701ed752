package import Tensors

// T tokens, D hidden.   x, y, dy, dx: [T, D]   scale, dScale: [D]   inverseRMS: [T, 1]

/// y = scale · x · r with r = 1 / √(mean(x²) + ε), which is saved as `inverseRMS`.
///
/// Zhang, Sennrich: Root Mean Square Layer Normalization, 2019, equation 4, with ε inside the root as in Llama.
package func rmsNorm(
  _ x: Tensor, scale: Tensor, epsilon: Float, into y: Tensor, inverseRMS: Tensor, workers: WorkerPool
) {
  let width = x.columns
  check(y, rows: x.rows, columns: width, "y")
  check(scale, count: width, "scale")
  check(inverseRMS, count: x.rows, "inverseRMS")
  let scales = scale.pointer
  workers.forEachRowBlock(of: x.rows, width: width) { rows in
    for row in rows {
      let input = x.pointer + row * width
      let output = y.pointer + row * width
      let meanSquare = dot(input, input, count: width) / Float(width)
      let inverse = 1 / (meanSquare + epsilon).squareRoot()
      inverseRMS.pointer[row] = inverse
      for strip in strips(of: width) { output[strip] = input[strip] * inverse * scales[strip] }
    }
  }
}

/// dx += r·g − x · r³/D · Σ(g·x) with g = dy·scale;   dScale += Σ over tokens of dy·x·r.
///
/// The sum over tokens is made in blocks of rows whose size depends on the shape alone, and the blocks' sums are added in order.
package func rmsNormBackward(
  _ dy: Tensor, x: Tensor, scale: Tensor, inverseRMS: Tensor, accumulatingInto dx: Tensor,
  accumulatingScale dScale: Tensor, workspace: Workspace, workers: WorkerPool
) {
  let width = x.columns
  check(dy, rows: x.rows, columns: width, "dy")
  check(dx, rows: x.rows, columns: width, "dx")
  check(scale, count: width, "scale")
  check(dScale, count: width, "dScale")
  check(inverseRMS, count: x.rows, "inverseRMS")

  let blockSize = rowsPerScaleSum
  let blockCount = (x.rows + blockSize - 1) / blockSize
  let mark = workspace.mark()
  defer { workspace.release(to: mark) }
  let partialSums = workspace.tensor(blockCount, width)
  workers.run(blockCount) { block, _ in
    let partial = partialSums.pointer + block * width
    partial.update(repeating: 0, count: width)
    for row in block * blockSize..<min((block + 1) * blockSize, x.rows) {
      let offset = row * width
      rmsNormBackwardRow(
        dy.pointer + offset, x: x.pointer + offset, scale: scale.pointer, inverse: inverseRMS.pointer[row],
        accumulatingInto: dx.pointer + offset, accumulatingScale: partial, width: width)
    }
  }
  for block in 0..<blockCount {
    let partial = partialSums.pointer + block * width
    for strip in strips(of: width) { dScale.pointer[strip] += partial[strip] }
  }
}

private let rowsPerScaleSum = 64

private func rmsNormBackwardRow(
  _ dy: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>, scale: UnsafeMutablePointer<Float>,
  inverse: Float, accumulatingInto dx: UnsafeMutablePointer<Float>,
  accumulatingScale dScale: UnsafeMutablePointer<Float>, width: Int
) {
  var projection = StripSum()
  for strip in strips(of: width) { projection.addProduct(dy[strip] * scale[strip], x[strip]) }
  let shrink = inverse * inverse * inverse * projection.total / Float(width)
  for strip in strips(of: width) {
    let input = x[strip]
    let gradient = dy[strip]
    dx[strip] += inverse * gradient * scale[strip] - shrink * input
    dScale[strip] += gradient * (input * inverse)
  }
}
