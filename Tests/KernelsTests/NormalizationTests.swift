import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct RMSNormTests {
  private let epsilon: Float = 1e-5
  private let workers = WorkerPool(threadCount: 2)

  @Test(arguments: [(0, 16), (1, 1), (1, 7), (3, 64), (70, 33), (200, 250)])
  func agreesWithTheDefinition(rows: Int, width: Int) {
    let x = Tensor.random(rows, width, seed: 1)
    let scale = Tensor.random(1, width, seed: 2)
    let y = Tensor.random(rows, width, seed: 3)
    rmsNorm(x, scale: scale, epsilon: epsilon, into: y, inverseRMS: Tensor.random(rows, 1, seed: 4), workers: workers)
    let expected = naiveRMSNorm(NaiveMatrix(x), scale: NaiveMatrix(scale), epsilon: Double(epsilon))
    #expect(y.difference(from: expected, tolerance: 1e-6) == nil)
  }

  @Test(arguments: [(1, 5), (3, 16), (67, 18)])
  func gradientsAreFiniteDifferences(rows: Int, width: Int) {
    let x = Tensor.random(rows, width, seed: 1)
    let scale = Tensor.random(1, width, seed: 2)
    let dy = Tensor.random(rows, width, seed: 3)
    let inverse = Tensor.random(rows, 1, seed: 4)
    rmsNorm(x, scale: scale, epsilon: epsilon, into: x.copied(), inverseRMS: inverse, workers: workers)
    let dx = Tensor(zeros: x.shape)
    let dScale = Tensor(zeros: scale.shape)
    dx.fill(1)
    dScale.fill(2)
    rmsNormBackward(
      dy, x: x, scale: scale, inverseRMS: inverse, accumulatingInto: dx, accumulatingScale: dScale,
      workspace: Workspace(), workers: workers)

    let (weights, exactX, exactScale) = (NaiveMatrix(dy), NaiveMatrix(x), NaiveMatrix(scale))
    var expectedX = finiteDifferences(at: exactX) {
      naiveRMSNorm($0, scale: exactScale, epsilon: Double(epsilon)).dot(weights)
    }
    var expectedScale = finiteDifferences(at: exactScale) {
      naiveRMSNorm(exactX, scale: $0, epsilon: Double(epsilon)).dot(weights)
    }
    expectedX.values = expectedX.values.map { $0 + 1 }
    expectedScale.values = expectedScale.values.map { $0 + 2 }
    #expect(dx.difference(from: expectedX, tolerance: 2e-6) == nil)
    #expect(dScale.difference(from: expectedScale, tolerance: 2e-6) == nil)
  }
}

@Suite struct SoftmaxTests {
  private let workers = WorkerPool(threadCount: 2)

  @Test(arguments: [(0, 8), (1, 1), (5, 8), (3, 16), (40, 100), (2, 4099)])
  func agreesWithTheDefinition(rows: Int, width: Int) {
    let logits = Tensor.random(rows, width, seed: 1, scale: 20)
    let probabilities = Tensor.random(rows, width, seed: 2)
    let logSumExp = Tensor.random(rows, 1, seed: 3)
    softmax(logits, into: probabilities, logSumExp: logSumExp, workers: workers)
    let exact = NaiveMatrix(logits)
    let sums = NaiveMatrix(rows: rows, columns: 1) { row, _ in naiveLogSumExp(exact.row(row)) }
    #expect(probabilities.difference(from: naiveSoftmax(exact), tolerance: 2e-6) == nil)
    #expect(logSumExp.difference(from: sums, tolerance: 1e-6) == nil)
  }

  @Test func hugeLogitsDoNotOverflow() {
    let logits = Tensor([3e38, -3e38, 0, 3e38], shape: [1, 4])
    softmax(logits, into: logits, logSumExp: nil, workers: workers)
    #expect(logits.elements == [0.5, 0, 0, 0.5])
  }

  @Test(arguments: [(1, 1), (4, 8), (3, 37)])
  func gradientsAreFiniteDifferences(rows: Int, width: Int) {
    let logits = Tensor.random(rows, width, seed: 1, scale: 3)
    let probabilities = Tensor(zeros: logits.shape)
    let dProbabilities = Tensor.random(rows, width, seed: 2)
    let dLogits = Tensor(zeros: logits.shape)
    dLogits.fill(0.5)
    softmax(logits, into: probabilities, logSumExp: nil, workers: workers)
    softmaxBackward(dProbabilities, probabilities: probabilities, accumulatingInto: dLogits, workers: workers)
    let weights = NaiveMatrix(dProbabilities)
    var expected = finiteDifferences(at: NaiveMatrix(logits)) { naiveSoftmax($0).dot(weights) }
    expected.values = expected.values.map { $0 + 0.5 }
    #expect(dLogits.difference(from: expected, tolerance: 2e-6) == nil)
  }
}

extension Tensor {
  /// The same values in memory of its own.
  func copied() -> Tensor { Tensor(elements, shape: shape) }
}
