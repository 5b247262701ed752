package import Tensors

// n new positions, H query heads, KV key and value heads, hd head size.
// queries, out: [n, H·hd]   keys, values: [capacity, KV·hd], of which firstPosition + n rows are filled

/// Attention of the queries at positions firstPosition ..< firstPosition + n against everything up to themselves.
///
/// `shape` gives heads and head size; its sequence extents are not looked at. Several positions go through matmul in
/// blocks; a single one, as in generation, is bound by reading the cache and would need a prepared multiplication for
/// every length, so it has loops of its own.
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
  let heads = CachedHeads(
    shape: shape, queries: queries, out: out, keys: keys[rows: 0..<filled], values: values[rows: 0..<filled],
    scratchCount: ScoreBlock.elementCount(keyCount: keys.rows))

  if newCount == 1 {
    workers.run(shape.keyValueHeadCount) { keyValueHead, lane in heads.attendOnce(keyValueHead, lane: lane) }
    return
  }
  let blockCount = (newCount + ScoreBlock.size - 1) / ScoreBlock.size
  workers.run(blockCount * shape.headCount) { task, lane in
    let (block, head) = task.quotientAndRemainder(dividingBy: shape.headCount)
    let rows = block * ScoreBlock.size..<min((block + 1) * ScoreBlock.size, newCount)
    heads.attendBlock(rows, firstPosition: firstPosition, head: head, lane: lane)
  }
}

/// The heads of new queries and of the filled part of a cache.
private struct CachedHeads {
  let shape: AttentionShape
  let queries: Tensor
  let out: Tensor
  let keys: Tensor
  let values: Tensor
  /// Scratch for scores against the whole cache, so that it grows once.
  let scratchCount: Int

  private func view(_ tensor: Tensor, head: Int) -> Matrix {
    Matrix(
      tensor.pointer + head * shape.headSize, rows: tensor.rows, columns: shape.headSize, rowStride: tensor.columns)
  }

  /// Some of the queries of one head.
  func attendBlock(_ rows: Range<Int>, firstPosition: Int, head: Int, lane: Lane) {
    let scores = ScoreBlock(
      pointer: lane.scratch(scratchCount), rowCount: rows.count, firstPosition: firstPosition + rows.lowerBound)
    let keyValueHead = head / shape.groupSize
    attend(
      scores, queries: view(queries, head: head).rows(rows), keys: view(keys, head: keyValueHead),
      values: view(values, head: keyValueHead), scale: shape.scoreScale, into: view(out, head: head).rows(rows),
      logSumExp: nil, lane: lane)
  }

  /// A single query of all heads that share a key and value head: a key, once read, serves them all.
  func attendOnce(_ keyValueHead: Int, lane: Lane) {
    let width = shape.headSize
    let firstHead = keyValueHead * shape.groupSize
    let query = view(queries, head: firstHead).pointer
    let output = view(out, head: firstHead).pointer
    let pastKeys = view(keys, head: keyValueHead)
    let pastValues = view(values, head: keyValueHead)
    let stride = ScoreBlock.paddedCount(pastKeys.rows)
    let weights = lane.scratch(max(scratchCount, shape.groupSize * stride))
    for key in 0..<pastKeys.rows {
      let vector = pastKeys.pointer + key * pastKeys.rowStride
      for member in 0..<shape.groupSize {
        weights[member * stride + key] = dot(query + member * width, vector, count: width)
      }
    }
    for member in 0..<shape.groupSize {
      let scores = ScoreBlock(pointer: weights + member * stride, rowCount: 1, firstPosition: pastKeys.rows - 1)
      let inverse = 1 / scores.exponentials(ofRow: 0, scale: shape.scoreScale).sum
      for strip in strips(of: width) {
        var sum = StripSum()
        for key in 0..<pastKeys.rows {
          let value = pastValues.pointer + key * pastValues.rowStride
          sum.addProduct(Vector(repeating: scores.pointer[key]), value[strip])
        }
        (output + member * width)[strip] = sum.lanes * inverse
      }
    }
  }
}
