#if canImport(Glibc)
  import Glibc
#endif

/// Causal grouped-query attention in plain loops and double precision.
package struct NaiveAttention: Sendable {
  package var sequenceCount: Int
  package var sequenceLength: Int
  package var headCount: Int
  package var keyValueHeadCount: Int
  package var headSize: Int

  package init(sequenceCount: Int, sequenceLength: Int, headCount: Int, keyValueHeadCount: Int, headSize: Int) {
    self.sequenceCount = sequenceCount
    self.sequenceLength = sequenceLength
    self.headCount = headCount
    self.keyValueHeadCount = keyValueHeadCount
    self.headSize = headSize
  }

  /// [B·S, H·hd] and log Σ exp of the scores, [B·H, S].
  package func callAsFunction(_ qkv: NaiveMatrix) -> (out: NaiveMatrix, logSumExp: NaiveMatrix) {
    var out = NaiveMatrix(rows: qkv.rows, columns: headCount * headSize)
    var logSumExp = NaiveMatrix(rows: sequenceCount * headCount, columns: sequenceLength)
    for sequence in 0..<sequenceCount {
      for head in 0..<headCount {
        for position in 0..<sequenceLength {
          let scores = (0...position).map { score(qkv, sequence, head, query: position, key: $0) }
          let logSum = naiveLogSumExp(scores)
          logSumExp[sequence * headCount + head, position] = logSum
          for feature in 0..<headSize {
            out[sequence * sequenceLength + position, head * headSize + feature] =
              scores.indices.reduce(0) { sum, key in
                let weight = exp(scores[key] - logSum)
                return sum + weight * qkv[sequence * sequenceLength + key, valueColumn(head) + feature]
              }
          }
        }
      }
    }
    return (out, logSumExp)
  }

  private func score(_ qkv: NaiveMatrix, _ sequence: Int, _ head: Int, query: Int, key: Int) -> Double {
    let queryRow = sequence * sequenceLength + query
    let keyRow = sequence * sequenceLength + key
    let product = (0..<headSize).reduce(0.0) { sum, feature in
      sum + qkv[queryRow, head * headSize + feature] * qkv[keyRow, keyColumn(head) + feature]
    }
    return product / Double(headSize).squareRoot()
  }

  private func keyColumn(_ head: Int) -> Int {
    (headCount + head / (headCount / keyValueHeadCount)) * headSize
  }

  private func valueColumn(_ head: Int) -> Int { keyColumn(head) + keyValueHeadCount * headSize }
}
