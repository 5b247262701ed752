package import Tensors

// B sequences, S positions, H query heads, KV key and value heads, hd head size.
// qkv, dQKV: [B·S, (H + 2·KV)·hd], a row holding queries | keys | values   out, dOut: [B·S, H·hd]   logSumExp: [B·H, S]
//
// Causal grouped-query attention (Ainslie et al.: GQA, 2023): query head h uses key and value head h / (H / KV).
// With q, k, v of one head and scale 1/√hd:
//   s[i,j] = q[i]·k[j] / √hd for j ≤ i     P[i,j] = exp(s[i,j] − logSumExp[i])     out[i] = Σ_j P[i,j]·v[j]
// Scores are made for blocks of queries and never kept: the backward pass makes them again from logSumExp, as in Dao:
// FlashAttention-2, 2023, algorithm 2. Memory is linear in S.

/// The extents of an attention layer.
package struct AttentionShape: Hashable, Sendable {
  package var sequenceCount: Int
  package var sequenceLength: Int
  package var headCount: Int
  package var keyValueHeadCount: Int
  package var headSize: Int

  package init(sequenceCount: Int, sequenceLength: Int, headCount: Int, keyValueHeadCount: Int, headSize: Int) {
    precondition(
      keyValueHeadCount > 0 && headCount % keyValueHeadCount == 0,
      "\(headCount) query heads share \(keyValueHeadCount) key heads unevenly")
    self.sequenceCount = sequenceCount
    self.sequenceLength = sequenceLength
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount
    self.headSize = headSize
  }

  var tokenCount: Int { sequenceCount * sequenceLength }
  var queryWidth: Int { headCount * headSize }
  var keyValueWidth: Int { keyValueHeadCount * headSize }
  var rowWidth: Int { queryWidth + 2 * keyValueWidth }
  /// Query heads that share one key and value head.
  var groupSize: Int { headCount / keyValueHeadCount }
  var scoreScale: Float { 1 / Float(headSize).squareRoot() }
  var blockCount: Int { (sequenceLength + ScoreBlock.size - 1) / ScoreBlock.size }

  func positions(ofBlock block: Int) -> Range<Int> {
    block * ScoreBlock.size..<min((block + 1) * ScoreBlock.size, sequenceLength)
  }

  func check(qkv: Tensor, out: Tensor, logSumExp: Tensor) {
    Kernels.check(qkv, rows: tokenCount, columns: rowWidth, "qkv")
    Kernels.check(out, rows: tokenCount, columns: queryWidth, "out")
    Kernels.check(logSumExp, count: sequenceCount * headCount * sequenceLength, "logSumExp")
  }
}

/// out = attention over every sequence; saves logSumExp for the backward pass. A task is one query head of one sequence.
package func attention(
  _ qkv: Tensor, shape: AttentionShape, into out: Tensor, logSumExp: Tensor, workers: WorkerPool
) {
  shape.check(qkv: qkv, out: out, logSumExp: logSumExp)
  workers.run(shape.sequenceCount * shape.headCount) { task, lane in
    let (sequence, head) = task.quotientAndRemainder(dividingBy: shape.headCount)
    let views = HeadViews(qkv, shape: shape, sequence: sequence, head: head)
    let output = headView(out, shape: shape, sequence: sequence, head: head)
    let sums = logSumExp.pointer + task * shape.sequenceLength
    let scratch = lane.scratch(ScoreBlock.elementCount(keyCount: shape.sequenceLength))
    for block in 0..<shape.blockCount {
      let positions = shape.positions(ofBlock: block)
      let scores = ScoreBlock(pointer: scratch, rowCount: positions.count, firstPosition: positions.lowerBound)
      attend(
        scores, queries: views.queries.rows(positions), keys: views.keys, values: views.values,
        scale: shape.scoreScale, into: output.rows(positions), logSumExp: sums + positions.lowerBound, lane: lane)
    }
  }
}

/// Attention of one block of queries of one head.
func attend(
  _ scores: ScoreBlock, queries: Matrix, keys: Matrix, values: Matrix, scale: Float, into out: Matrix,
  logSumExp: UnsafeMutablePointer<Float>?, lane: Lane
) {
  let seen = 0..<scores.keyCount
  lane.multiply(queries, keys.rows(seen).transposed, into: scores.matrix)
  withUnsafeTemporaryAllocation(of: Float.self, capacity: scores.rowCount) { inverseSums in
    for row in 0..<scores.rowCount {
      let parts = scores.exponentials(ofRow: row, scale: scale)
      inverseSums[row] = 1 / parts.sum
      logSumExp?[row] = parts.logSumExp
    }
    lane.multiply(scores.matrix, values.rows(seen), into: out)
    for row in 0..<scores.rowCount {
      let output = out.pointer + row * out.rowStride
      for strip in strips(of: out.columns) { output[strip] *= inverseSums[row] }
    }
  }
}

/// dQKV = the gradient of queries, keys and values, given that of out:
///
///   dv[j] = Σ_i P[i,j]·dOut[i]     dP[i,j] = dOut[i]·v[j]     dS = P·(dP − D[i])/√hd with D[i] = dOut[i]·out[i]
///   dq[i] = Σ_j dS[i,j]·k[j]       dk[j] = Σ_i dS[i,j]·q[i]
///
/// A task is one key and value head of one sequence: it adds up dk and dv over its query heads in ascending order and,
/// within each, over the blocks of queries from the last, which sees every key, to the first.
package func attentionBackward(
  _ dOut: Tensor, qkv: Tensor, out: Tensor, logSumExp: Tensor, shape: AttentionShape, into dQKV: Tensor,
  workspace: Workspace, workers: WorkerPool
) {
  shape.check(qkv: qkv, out: out, logSumExp: logSumExp)
  check(dOut, rows: shape.tokenCount, columns: shape.queryWidth, "dOut")
  check(dQKV, rows: shape.tokenCount, columns: shape.rowWidth, "dQKV")
  let mark = workspace.mark()
  defer { workspace.release(to: mark) }
  let outputProducts = workspace.tensor(shape.sequenceCount * shape.headCount, shape.sequenceLength)
  multiplyHeads(dOut, out, shape: shape, into: outputProducts, workers: workers)

  workers.run(shape.sequenceCount * shape.keyValueHeadCount) { task, lane in
    let (sequence, keyValueHead) = task.quotientAndRemainder(dividingBy: shape.keyValueHeadCount)
    var isFirst = true
    for member in 0..<shape.groupSize {
      let head = keyValueHead * shape.groupSize + member
      let statistics = (sequence * shape.headCount + head) * shape.sequenceLength
      let backward = HeadBackward(
        views: HeadViews(qkv, shape: shape, sequence: sequence, head: head),
        gradients: HeadViews(dQKV, shape: shape, sequence: sequence, head: head),
        dOut: headView(dOut, shape: shape, sequence: sequence, head: head),
        logSumExp: logSumExp.pointer + statistics, outputProducts: outputProducts.pointer + statistics,
        scale: shape.scoreScale, lane: lane)
      for block in (0..<shape.blockCount).reversed() {
        backward.run(positions: shape.positions(ofBlock: block), isFirst: isFirst)
        isFirst = false
      }
    }
  }
}

/// D[b·H + h, i] = dOut[i]·out[i] of each head.
private func multiplyHeads(_ dOut: Tensor, _ out: Tensor, shape: AttentionShape, into d: Tensor, workers: WorkerPool) {
  workers.forEachRowBlock(of: shape.tokenCount, width: shape.queryWidth) { rows in
    for row in rows {
      let (sequence, position) = row.quotientAndRemainder(dividingBy: shape.sequenceLength)
      for head in 0..<shape.headCount {
        let offset = row * shape.queryWidth + head * shape.headSize
        d.pointer[(sequence * shape.headCount + head) * shape.sequenceLength + position] =
          dot(dOut.pointer + offset, out.pointer + offset, count: shape.headSize)
      }
    }
  }
}

/// One query head of one sequence on its way back.
private struct HeadBackward {
  let views: HeadViews
  let gradients: HeadViews
  let dOut: Matrix
  let logSumExp: UnsafeMutablePointer<Float>
  let outputProducts: UnsafeMutablePointer<Float>
  let scale: Float
  let lane: Lane

  /// One block of queries. The first one writes dk and dv, the others add to them.
  func run(positions: Range<Int>, isFirst: Bool) {
    let size = ScoreBlock.elementCount(keyCount: views.keys.rows)
    let first = positions.lowerBound
    let scores = ScoreBlock(pointer: lane.scratch(size, slot: 0), rowCount: positions.count, firstPosition: first)
    let products = ScoreBlock(pointer: lane.scratch(size, slot: 1), rowCount: positions.count, firstPosition: first)
    let queries = views.queries.rows(positions)
    let output = dOut.rows(positions)
    let seen = 0..<scores.keyCount

    lane.multiply(queries, views.keys.rows(seen).transposed, into: scores.matrix)
    lane.multiply(output, views.values.rows(seen).transposed, into: products.matrix)
    for row in 0..<scores.rowCount {
      differentiateSoftmax(
        scores, products, row: row, logSumExp: logSumExp[first + row], outputProduct: outputProducts[first + row])
    }
    lane.multiply(products.matrix, views.keys.rows(seen), into: gradients.queries.rows(positions))
    lane.multiply(
      products.matrix.transposed, queries, into: gradients.keys.rows(seen), accumulating: !isFirst)
    lane.multiply(
      scores.matrix.transposed, output, into: gradients.values.rows(seen), accumulating: !isFirst)
  }

  /// Turns a row's scores into P and its dP into dS.
  private func differentiateSoftmax(
    _ scores: ScoreBlock, _ products: ScoreBlock, row: Int, logSumExp: Float, outputProduct: Float
  ) {
    scores.maskLastStrip(ofRow: row)
    let p = scores.row(row)
    let ds = products.row(row)
    for strip in strips(of: scores.paddedVisibleCount(row)) {
      let probability = exponential(p[strip] * scale - logSumExp)
      p[strip] = probability
      ds[strip] = probability * (ds[strip] - outputProduct) * scale
    }
    scores.clearRest(ofRow: row)
    products.clearRest(ofRow: row)
  }
}

/// Queries, keys and values, or their gradients, of one query head of one sequence: [S, hd] each.
private struct HeadViews {
  let queries: Matrix
  let keys: Matrix
  let values: Matrix

  init(_ qkv: Tensor, shape: AttentionShape, sequence: Int, head: Int) {
    let first = qkv.pointer + sequence * shape.sequenceLength * shape.rowWidth
    let keyValueOffset = shape.queryWidth + head / shape.groupSize * shape.headSize
    func view(_ offset: Int) -> Matrix {
      Matrix(first + offset, rows: shape.sequenceLength, columns: shape.headSize, rowStride: shape.rowWidth)
    }
    queries = view(head * shape.headSize)
    keys = view(keyValueOffset)
    values = view(keyValueOffset + shape.keyValueWidth)
  }
}

/// One head of the outputs of one sequence: [S, hd].
private func headView(_ out: Tensor, shape: AttentionShape, sequence: Int, head: Int) -> Matrix {
  Matrix(
    out.pointer + (sequence * shape.sequenceLength * shape.queryWidth + head * shape.headSize),
    rows: shape.sequenceLength, columns: shape.headSize, rowStride: shape.queryWidth)
}
