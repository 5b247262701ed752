package import Tensors

#if canImport(Glibc)
  import Glibc
#endif

// T tokens, D hidden, V vocabulary.   hidden, dHidden: [T, D]   weight, dWeight: [V, D]   targets: [T], −1 = not predicted
//
//   z = hidden · weightᵀ     loss[t] = log Σ_v exp z[t,v] − z[t, target]     dz[t,v] = (softmax(z[t])[v] − [v = target]) · gradientScale
//
// Logits exist for one block of rows at a time, and are made and used in slices of the vocabulary: a task's share of them
// then stays in the cache. Both sizes depend on shapes alone.

/// What the predicted tokens' losses add up to.
package struct CrossEntropySum: Hashable, Sendable {
  package var lossSum: Double
  package var predictedCount: Int

  package init(lossSum: Double, predictedCount: Int) {
    self.lossSum = lossSum
    self.predictedCount = predictedCount
  }
}

/// The sum of the predicted tokens' cross-entropies, in ascending order of tokens.
package func outputHeadLoss(
  _ hidden: Tensor, weight: Tensor, targets: Buffer<Int32>, workspace: Workspace, workers: WorkerPool
) -> CrossEntropySum {
  let mark = workspace.mark()
  defer { workspace.release(to: mark) }
  let head = OutputHead(hidden, weight: weight, targets: targets, workspace: workspace, workers: workers)
  var sum = CrossEntropySum(lossSum: 0, predictedCount: 0)
  for block in 0..<head.blockCount {
    let rows = head.rows(ofBlock: block)
    head.makeExponentials(rows: rows)
    head.addLosses(rows: rows, gradientScale: 0, to: &sum)
  }
  return sum
}

/// The same sum, with dHidden = dz · weight and dWeight = dzᵀ · hidden, or dWeight += dzᵀ · hidden.
package func outputHeadLossAndGradients(
  _ hidden: Tensor, weight: Tensor, targets: Buffer<Int32>, gradientScale: Float, into dHidden: Tensor,
  into dWeight: Tensor, accumulating: Bool, workspace: Workspace, workers: WorkerPool
) -> CrossEntropySum {
  check(dHidden, rows: hidden.rows, columns: hidden.columns, "dHidden")
  check(dWeight, rows: weight.rows, columns: weight.columns, "dWeight")
  let mark = workspace.mark()
  defer { workspace.release(to: mark) }
  let head = OutputHead(hidden, weight: weight, targets: targets, workspace: workspace, workers: workers)
  var sum = CrossEntropySum(lossSum: 0, predictedCount: 0)
  if head.blockCount == 0 && !accumulating { dWeight.fill(0) }
  for block in 0..<head.blockCount {
    let rows = head.rows(ofBlock: block)
    head.makeExponentials(rows: rows)
    head.addLosses(rows: rows, gradientScale: gradientScale, to: &sum)
    head.makeGradients(
      rows: rows, gradientScale: gradientScale, into: dWeight, accumulating: accumulating || block > 0)
    head.propagate(rows: rows, into: dHidden)
  }
  return sum
}

/// The output layer and its loss, one block of rows at a time.
private struct OutputHead {
  let hidden: Matrix
  let weight: Matrix
  let targets: Buffer<Int32>
  let workers: WorkerPool

  let blockSize: Int
  let sliceCount: Int
  /// [block, V]: exponentials of logits, then the logits' gradients.
  let exponentials: Matrix
  /// [block, slices]: the largest logit of a row in a slice; later the factor that turns exponentials into gradients.
  let largest: Tensor
  /// [block, slices]: Σ exp(z − largest)
  let sums: Tensor
  /// [block]: the target's logit
  let targetLogits: Buffer<Float>

  private static let sliceSize = 256
  private static let largestBlock = 256
  private static let smallestBlock = 64
  private static let blockElementCount = 16 << 20
  private static let rowsPerPropagation = 32

  init(_ hidden: Tensor, weight: Tensor, targets: Buffer<Int32>, workspace: Workspace, workers: WorkerPool) {
    precondition(
      hidden.columns == weight.columns && targets.count == hidden.rows,
      "hidden \(hidden.shape), weight \(weight.shape), \(targets.count) targets")
    let vocabularySize = weight.rows
    for row in 0..<targets.count {
      let target = targets.pointer[row]
      precondition(target >= -1 && target < vocabularySize, "target \(target) in a vocabulary of \(vocabularySize)")
    }
    self.hidden = Matrix(hidden)
    self.weight = Matrix(weight)
    self.targets = targets
    self.workers = workers
    let fitting = Self.blockElementCount / max(vocabularySize, 1) / Self.smallestBlock * Self.smallestBlock
    blockSize = min(max(fitting, Self.smallestBlock), Self.largestBlock)
    sliceCount = (vocabularySize + Self.sliceSize - 1) / Self.sliceSize
    exponentials = Matrix(workspace.tensor(blockSize, vocabularySize))
    largest = workspace.tensor(blockSize, sliceCount)
    sums = workspace.tensor(blockSize, sliceCount)
    targetLogits = workspace.buffer(count: blockSize)
  }

  var blockCount: Int { (hidden.rows + blockSize - 1) / blockSize }

  func rows(ofBlock block: Int) -> Range<Int> { block * blockSize..<min((block + 1) * blockSize, hidden.rows) }

  private func vocabulary(ofSlice slice: Int) -> Range<Int> {
    slice * Self.sliceSize..<min((slice + 1) * Self.sliceSize, weight.rows)
  }

  /// The block's exponentials for some of the vocabulary: [rows, range].
  private func exponentials(_ rowCount: Int, _ range: Range<Int>) -> Matrix {
    Matrix(
      exponentials.pointer + range.lowerBound, rows: rowCount, columns: range.count, rowStride: exponentials.rowStride)
  }

  /// exp(z − largest of the row in the slice) of a block. A task is a slice.
  ///
  /// The logits themselves are made in a dense matrix: into a strided one oneDNN's rows would depend on how many there are
  /// when there are fewer than 16.
  func makeExponentials(rows: Range<Int>) {
    workers.run(sliceCount) { slice, lane in
      let range = vocabulary(ofSlice: slice)
      let block = exponentials(rows.count, range)
      let logits = Matrix(lane.scratch(rows.count * range.count), rows: rows.count, columns: range.count)
      lane.multiply(hidden.rows(rows), weight.rows(range).transposed, into: logits)
      for row in 0..<rows.count {
        let target = Int(targets.pointer[rows.lowerBound + row])
        let z = logits.pointer + row * range.count
        if range.contains(target) { targetLogits.pointer[row] = z[target - range.lowerBound] }
        let parts = exponentialsAndSum(of: z, into: block.pointer + row * block.rowStride, count: range.count)
        largest.pointer[row * sliceCount + slice] = parts.largest
        sums.pointer[row * sliceCount + slice] = parts.sum
      }
    }
  }

  /// Puts the slices of each row together: adds its loss, and replaces `largest` by gradientScale / Σ exp(z − largest).
  func addLosses(rows: Range<Int>, gradientScale: Float, to total: inout CrossEntropySum) {
    for row in 0..<rows.count {
      let factors = largest.pointer + row * sliceCount
      let isPredicted = targets.pointer[rows.lowerBound + row] >= 0
      let top = maximum(factors, count: sliceCount)
      for strip in strips(of: sliceCount) { factors[strip] = exponential(factors[strip] - top) }
      let sum = dot(factors, sums.pointer + row * sliceCount, count: sliceCount)
      let scale = isPredicted ? gradientScale / sum : 0
      for strip in strips(of: sliceCount) { factors[strip] *= scale }
      guard isPredicted else { continue }
      total.lossSum += Double(top) - Double(targetLogits.pointer[row]) + log(Double(sum))
      total.predictedCount += 1
    }
  }

  /// Exponentials of a block, replaced by dz; dWeight = dzᵀ · hidden, or +=. A task is a slice.
  func makeGradients(rows: Range<Int>, gradientScale: Float, into dWeight: Tensor, accumulating: Bool) {
    let sum = Matrix(dWeight)
    workers.run(sliceCount) { slice, lane in
      let range = vocabulary(ofSlice: slice)
      let block = exponentials(rows.count, range)
      for row in 0..<rows.count {
        let target = Int(targets.pointer[rows.lowerBound + row])
        let dz = block.pointer + row * block.rowStride
        let factor = largest.pointer[row * sliceCount + slice]
        for strip in strips(of: range.count) { dz[strip] *= factor }
        if range.contains(target) { dz[target - range.lowerBound] -= gradientScale }
      }
      lane.multiply(block.transposed, hidden.rows(rows), into: sum.rows(range), accumulating: accumulating)
    }
  }

  /// dHidden = dz · weight, of a block. A task is some rows.
  func propagate(rows: Range<Int>, into dHidden: Tensor) {
    let size = Self.rowsPerPropagation
    let output = Matrix(dHidden).rows(rows)
    workers.run((rows.count + size - 1) / size) { task, lane in
      let part = task * size..<min((task + 1) * size, rows.count)
      lane.multiply(exponentials.rows(part), weight, into: output.rows(part))
    }
  }
}
