package import Tensors

// n new positions, H query heads, KV key and value heads, hd head size.
// queries, out: [n, H·hd]   keys, values: [capacity, KV·hd], of which firstPosition + n rows are filled

/// Attention of the queries at positions firstPosition ..< firstPosition + n against everything up to themselves.
///
/// `shape` gives heads and head size; its sequence extents are not looked at. Several positions go through matmul in blocks;
/// a single one, as in generation, is bound by reading the cache and would need a prepared multiplication for every
/// length, so it has loops of its own. A task is one head of one block.
package func cachedAttention(
  queries: Tensor, keys: Tensor, values: Tensor, firstPosition: Int, shape: AttentionShape, into out: Tensor,
  workers: WorkerPool
) {
  let newCount = queries.rows
  let filled = firstPosition + newCount
  check(queries, rows: newCount, columns: shape.queryWidth, "queries")
  check(out, rows: newCount, columns: shape.queryWidth, "out")
  check(keys, rows: values.rows, columns: shape.keyValueWidth, "keys")
  check(values, rows: keys.rows, columns: shape.keyValueWidth, "values")
  precondition(firstPosition >= 0 && filled <= keys.rows, "positions up to \(filled) in a cache of \(keys.rows)")

  let blockCount = (newCount + ScoreBlock.size - 1) / ScoreBlock.size
  workers.run(blockCount * shape.headCount) { task, lane in
    let (block, head) = task.quotientAndRemainder(dividingBy: shape.headCount)
    let rows = block * ScoreBlock.size..<min((block + 1) * ScoreBlock.size, newCount)
    let cacheOffset = head / shape.groupSize * shape.headSize
    func view(_ tensor: Tensor, _ offset: Int, rows: Int) -> Matrix {
      Matrix(tensor.pointer + offset, rows: rows, columns: shape.headSize, rowStride: tensor.columns)
    }
    let scores = ScoreBlock(
      pointer: lane.scratch(ScoreBlock.elementCount(keyCount: keys.rows)), rowCount: rows.count,
      firstPosition: firstPosition + rows.lowerBound)
    let query = view(queries, head * shape.headSize, rows: newCount).rows(rows)
    let output = view(out, head * shape.headSize, rows: newCount).rows(rows)
    let pastKeys = view(keys, cacheOffset, rows: filled)
    let pastValues = view(values, cacheOffset, rows: filled)
    if newCount == 1 {
      attendOnce(
        scores, query: query.pointer, keys: pastKeys, values: pastValues, scale: shape.scoreScale,
        into: output.pointer)
    } else {
      attend(
        scores, queries: query, keys: pastKeys, values: pastValues, scale: shape.scoreScale, into: output,
        logSumExp: nil, lane: lane)
    }
  }
}

/// Attention of one query of one head.
private func attendOnce(
  _ scores: ScoreBlock, query: UnsafeMutablePointer<Float>, keys: Matrix, values: Matrix, scale: Float,
  into out: UnsafeMutablePointer<Float>
) {
  let width = keys.columns
  let weights = scores.pointer
  for key in 0..<scores.keyCount {
    weights[key] = dot(query, keys.pointer + key * keys.rowStride, count: width)
  }
  let inverse = 1 / scores.exponentials(ofRow: 0, scale: scale).sum
  for strip in strips(of: width) {
    var sum = Vector(repeating: 0)
    for key in 0..<scores.keyCount {
      let value = values.pointer + key * values.rowStride
      sum = sum.addingProduct(weights[key], value[strip])
    }
    out[strip] = sum * inverse
  }
}
