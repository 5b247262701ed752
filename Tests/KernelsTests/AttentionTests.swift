import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct AttentionTests {
  /// One position; one block; two and three blocks, the last one partial; heads that share keys; sizes that are no whole strips.
  static let shapes = [
    AttentionShape(sequenceCount: 1, sequenceLength: 1, headCount: 1, keyValueHeadCount: 1, headSize: 4),
    AttentionShape(sequenceCount: 2, sequenceLength: 5, headCount: 4, keyValueHeadCount: 2, headSize: 6),
    AttentionShape(sequenceCount: 1, sequenceLength: 64, headCount: 2, keyValueHeadCount: 2, headSize: 16),
    AttentionShape(sequenceCount: 2, sequenceLength: 77, headCount: 3, keyValueHeadCount: 1, headSize: 8),
    AttentionShape(sequenceCount: 1, sequenceLength: 150, headCount: 2, keyValueHeadCount: 1, headSize: 34),
  ]
  private let workers = WorkerPool(threadCount: 2)

  @Test(arguments: shapes) func agreesWithTheDefinition(shape: AttentionShape) {
    let run = AttentionRun(shape, workers: workers)
    let expected = run.naive(NaiveMatrix(run.qkv))
    #expect(run.out.difference(from: expected.out, tolerance: 2e-6) == nil)
    #expect(run.logSumExp.difference(from: expected.logSumExp, tolerance: 1e-6) == nil)
  }

  @Test(arguments: shapes) func gradientsAreFiniteDifferences(shape: AttentionShape) {
    let run = AttentionRun(shape, workers: workers)
    let dOut = Tensor.random(run.out.rows, run.out.columns, seed: 7)
    let dQKV = run.backward(dOut, workers: workers)
    let exact = NaiveMatrix(run.qkv)
    let weights = NaiveMatrix(dOut)
    let largest = dQKV.elements.reduce(0) { max($0, abs($1)) }
    // All elements of small shapes, a sample of large ones; 61 is prime, so rows and columns both vary.
    let step = max(1, dQKV.count / 150) | 1
    for index in stride(from: 0, to: dQKV.count, by: step) {
      let (row, column) = index.quotientAndRemainder(dividingBy: dQKV.columns)
      let expected = finiteDifference(at: exact, row: row, column: column) { run.naive($0).out.dot(weights) }
      #expect(abs(Double(dQKV[row, column]) - expected) < 3e-6 * Double(max(largest, 1)), "[\(row), \(column)]")
    }
  }

  @Test func noPositionSeesALaterOne() {
    let shape = AttentionShape(
      sequenceCount: 1, sequenceLength: 130, headCount: 2, keyValueHeadCount: 1, headSize: 8)
    let run = AttentionRun(shape, workers: workers)
    let before = run.out.copied()
    run.qkv[rows: 100..<130].fill(.nan)
    attention(run.qkv, shape: shape, into: run.out, logSumExp: run.logSumExp, workers: workers)
    #expect(run.out[rows: 0..<64].bits == before[rows: 0..<64].bits)
  }

  @Test func aSequenceDoesNotDependOnItsNeighbours() {
    let shape = AttentionShape(sequenceCount: 3, sequenceLength: 70, headCount: 4, keyValueHeadCount: 2, headSize: 16)
    let run = AttentionRun(shape, workers: workers)
    var alone = shape
    alone.sequenceCount = 1
    let out = Tensor(zeros: [70, 64])
    attention(
      run.qkv[rows: 70..<140], shape: alone, into: out, logSumExp: Tensor(zeros: [4, 70]), workers: workers)
    #expect(out.bits == run.out[rows: 70..<140].bits)
  }

  @Test func nothingIsNoWork() {
    let shape = AttentionShape(sequenceCount: 0, sequenceLength: 5, headCount: 2, keyValueHeadCount: 1, headSize: 8)
    let run = AttentionRun(shape, workers: workers)
    #expect(run.backward(Tensor(zeros: [0, 16]), workers: workers).count == 0)
  }
}

@Suite struct CachedAttentionTests {
  private let workers = WorkerPool(threadCount: 2)

  /// The last `count` positions against a cache that holds all before them equal the same positions of the whole.
  @Test(arguments: [1, 2, 9, 64, 100, 150]) func continuesASequence(count: Int) {
    let length = 150
    let shape = AttentionShape(
      sequenceCount: 1, sequenceLength: length, headCount: 4, keyValueHeadCount: 2, headSize: 12)
    let run = AttentionRun(shape, workers: workers)
    let keys = Tensor.random(length + 30, 24, seed: 8)
    let values = Tensor.random(length + 30, 24, seed: 9)
    keys[rows: length..<length + 30].fill(.nan)
    values[rows: length..<length + 30].fill(.nan)
    let queries = Tensor(zeros: [count, 48])
    for row in 0..<length {
      for column in 0..<24 {
        keys[row, column] = run.qkv[row, 48 + column]
        values[row, column] = run.qkv[row, 72 + column]
      }
    }
    for row in 0..<count { for column in 0..<48 { queries[row, column] = run.qkv[length - count + row, column] } }
    let out = Tensor(zeros: [count, 48])
    cachedAttention(
      queries: queries, keys: keys, values: values, firstPosition: length - count, shape: shape, into: out,
      workers: workers)
    let expected = run.naive(NaiveMatrix(run.qkv)).out
    let tail = NaiveMatrix(rows: count, columns: 48) { expected[length - count + $0, $1] }
    #expect(out.difference(from: tail, tolerance: 2e-6) == nil)
  }
}

/// Random queries, keys and values, and what attention makes of them.
struct AttentionRun {
  let shape: AttentionShape
  let qkv: Tensor
  let out: Tensor
  let logSumExp: Tensor

  init(_ shape: AttentionShape, workers: WorkerPool) {
    self.shape = shape
    let rows = shape.sequenceCount * shape.sequenceLength
    qkv = Tensor.random(rows, (shape.headCount + 2 * shape.keyValueHeadCount) * shape.headSize, seed: 1, scale: 2)
    out = Tensor.random(rows, shape.headCount * shape.headSize, seed: 2)
    logSumExp = Tensor.random(shape.sequenceCount * shape.headCount, shape.sequenceLength, seed: 3)
    attention(qkv, shape: shape, into: out, logSumExp: logSumExp, workers: workers)
  }

  var naive: NaiveAttention {
    NaiveAttention(
      sequenceCount: shape.sequenceCount, sequenceLength: shape.sequenceLength, headCount: shape.headCount,
      keyValueHeadCount: shape.keyValueHeadCount, headSize: shape.headSize)
  }

  func backward(_ dOut: Tensor, workers: WorkerPool) -> Tensor {
    let dQKV = Tensor.random(qkv.rows, qkv.columns, seed: 4)
    attentionBackward(
      dOut, qkv: qkv, out: out, logSumExp: logSumExp, shape: shape, into: dQKV, workspace: Workspace(),
      workers: workers)
    return dQKV
  }
}
