import Kernels
import Tensors
import TestSupport
import Testing

/// What every kernel promises: the same bits at any number of threads, and for a row whatever rows are beside it.
@Suite struct ReproducibilityTests {
  /// A kernel run on fixed inputs; the bits of all it writes.
  struct Kernel: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let run: @Sendable (WorkerPool) -> Bits

    init(_ name: String, _ run: @escaping @Sendable (WorkerPool) -> Bits) {
      testDescription = name
      self.run = run
    }
  }

  @Test(arguments: kernels) func bitsDoNotDependOnTheThreadCount(kernel: Kernel) {
    let expected = kernel.run(WorkerPool(threadCount: 1))
    for threadCount in [2, 3] { #expect(kernel.run(WorkerPool(threadCount: threadCount)) == expected) }
  }

  private static let kernels = [
    Kernel("RMSNorm") { workers in
      let (x, dy, scale) = (
        Tensor.random(700, 90, seed: 1), Tensor.random(700, 90, seed: 2), Tensor.random(1, 90, seed: 3)
      )
      let (y, inverse, dx, dScale) = (x.copied(), Tensor(zeros: [700, 1]), x.copied(), scale.copied())
      rmsNorm(x, scale: scale, epsilon: 1e-5, into: y, inverseRMS: inverse, workers: workers)
      rmsNormBackward(
        dy, x: x, scale: scale, inverseRMS: inverse, accumulatingInto: dx, accumulatingScale: dScale,
        workspace: Workspace(), workers: workers)
      return y.bits + dx.bits + dScale.bits
    },
    Kernel("rotary positions") { workers in
      let rows = Tensor.random(500, 96, seed: 1)
      rotate(
        rows, headCount: 3, table: RotaryTable(headSize: 32, theta: 1e4, positionCount: 250), sequenceLength: 250,
        workers: workers)
      return rows.bits
    },
    Kernel("SwiGLU") { activationBits(.swiGLU, $0) },
    Kernel("GELU") { activationBits(.gelu, $0) },
    Kernel("softmax") { workers in
      let (p, dp) = (Tensor.random(900, 70, seed: 1), Tensor.random(900, 70, seed: 2))
      let dz = dp.copied()
      softmax(p, into: p, logSumExp: nil, workers: workers)
      softmaxBackward(dp, probabilities: p, accumulatingInto: dz, workers: workers)
      return p.bits + dz.bits
    },
    Kernel("embedding") { workers in
      let tokens = Buffer<Int32>((0..<900).map { Int32($0 % 7) })
      let dTable = Tensor(zeros: [7, 200])
      embedBackward(Tensor.random(900, 200, seed: 1), tokens: tokens, accumulatingInto: dTable, workers: workers)
      return dTable.bits
    },
    Kernel("attention") { workers in
      let run = AttentionRun(AttentionTests.shapes[3], workers: workers)
      let dQKV = run.backward(Tensor.random(run.out.rows, run.out.columns, seed: 5), workers: workers)
      return run.out.bits + run.logSumExp.bits + dQKV.bits
    },
    Kernel("output head") { workers in
      let (hidden, weight) = (Tensor.random(600, 32, seed: 1), Tensor.random(900, 32, seed: 2))
      let (dHidden, dWeight) = (hidden.copied(), weight.copied())
      let sum = outputHeadLossAndGradients(
        hidden, weight: weight, targets: Buffer((0..<600).map { Int32($0 - 1) }), gradientScale: 1, into: dHidden,
        into: dWeight, accumulating: true, workspace: Workspace(), workers: workers)
      return dHidden.bits + dWeight.bits + Bits(sum.lossSum)
    },
    Kernel("sum of squares") { workers in
      Bits(sumOfSquares(Tensor.random(100_000, 1, seed: 1).buffer, workers: workers))
    },
  ]

  private static func activationBits(_ activation: Activation, _ workers: WorkerPool) -> Bits {
    let input = Tensor.random(300, activation.inputsPerOutput * 333, seed: 1, scale: 4)
    let (a, dInput) = (Tensor.random(300, 333, seed: 2), input.copied())
    activation.backward(a, input: input, into: dInput, workers: workers)
    let expert = activation.expertBackward(
      a, input: input, rowWeights: Tensor.random(300, 1, seed: 3), workers: workers)
    activation.forward(input, into: a, workers: workers)
    return a.bits + dInput.bits + expert.input.bits + expert.weightedA.bits + expert.rows.bits
  }

  @Test(arguments: Activation.allCases, [1, 16, 37, 333])
  func anActivationsRowDoesNotDependOnItsNeighbours(activation: Activation, width: Int) {
    let workers = WorkerPool(threadCount: 1)
    let input = Tensor.random(40, activation.inputsPerOutput * width, seed: 1, scale: 4)
    let (dA, rowWeights) = (Tensor.random(40, width, seed: 2), Tensor.random(40, 1, seed: 3))
    let together = activation.expertBackward(dA, input: input, rowWeights: rowWeights, workers: workers)
    for row in [0, 17, 39] {
      let range = row..<row + 1
      let alone = activation.expertBackward(
        dA[rows: range], input: input[rows: range], rowWeights: rowWeights[rows: range], workers: workers)
      #expect(alone.input.bits == together.input[rows: range].bits)
      #expect(alone.weightedA.bits == together.weightedA[rows: range].bits)
      #expect(alone.rows.bits == together.rows[rows: range].bits)
    }
  }

  @Test(arguments: [1, 8, 37, 250]) func aNormsRowDoesNotDependOnItsNeighbours(width: Int) {
    let workers = WorkerPool(threadCount: 1)
    let (x, scale) = (Tensor.random(90, width, seed: 1), Tensor.random(1, width, seed: 2))
    let (y, inverse, p) = (x.copied(), Tensor(zeros: [90, 1]), x.copied())
    rmsNorm(x, scale: scale, epsilon: 1e-5, into: y, inverseRMS: inverse, workers: workers)
    softmax(x, into: p, logSumExp: nil, workers: workers)
    for row in [0, 64, 89] {
      let alone = x[rows: row..<row + 1]
      let (aloneY, aloneP) = (alone.copied(), alone.copied())
      rmsNorm(alone, scale: scale, epsilon: 1e-5, into: aloneY, inverseRMS: Tensor(zeros: [1, 1]), workers: workers)
      softmax(alone, into: aloneP, logSumExp: nil, workers: workers)
      #expect(aloneY.bits == y[rows: row..<row + 1].bits)
      #expect(aloneP.bits == p[rows: row..<row + 1].bits)
    }
  }

  /// An element's value does not depend on where in its row it stands, so whole strips and the partial one agree.
  @Test(arguments: Activation.allCases) func anElementDoesNotDependOnItsPlace(activation: Activation) {
    let workers = WorkerPool(threadCount: 1)
    let width = 35
    let input = Tensor(zeros: [1, activation.inputsPerOutput * width])
    input.fill(0.7368)
    let a = Tensor(zeros: [1, width])
    activation.forward(input, into: a, workers: workers)
    #expect(a.bits.distinctCount == 1)
  }
}
