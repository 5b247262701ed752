import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct OutputHeadTests {
  private let workers = WorkerPool(threadCount: 2)

  /// Tokens, hidden, vocabulary: none; one; a partial slice; several slices; several blocks of rows.
  private static let shapes = [(0, 4, 5), (1, 3, 1), (5, 8, 37), (9, 16, 600), (300, 8, 260)]

  private struct Case {
    let hidden, weight: Tensor
    let targets: Buffer<Int32>

    init(_ tokens: Int, _ width: Int, _ vocabulary: Int) {
      hidden = Tensor.random(tokens, width, seed: 1, scale: 2)
      weight = Tensor.random(vocabulary, width, seed: 2, scale: 2)
      targets = Buffer((0..<tokens).map { $0 % 4 == 2 ? -1 : Int32($0 * 131 % vocabulary) })
    }

    func naiveLoss(hidden other: NaiveMatrix? = nil, weight otherWeight: NaiveMatrix? = nil) -> Double {
      naiveOutputHeadLoss(
        hidden: other ?? NaiveMatrix(hidden), weight: otherWeight ?? NaiveMatrix(weight), targets: targets.elements)
    }
  }

  @Test(arguments: shapes) func lossIsTheDefinitions(tokens: Int, width: Int, vocabulary: Int) {
    let input = Case(tokens, width, vocabulary)
    let sum = outputHeadLoss(
      input.hidden, weight: input.weight, targets: input.targets, workspace: Workspace(), workers: workers)
    let expected = input.naiveLoss()
    #expect(abs(sum.lossSum - expected) <= 1e-6 * max(expected, 1))
    #expect(sum.predictedCount == input.targets.elements.count { $0 >= 0 })
  }

  @Test(arguments: shapes) func gradientsAreFiniteDifferences(tokens: Int, width: Int, vocabulary: Int) {
    checkGradients(tokens, width, vocabulary, accumulating: true)
    checkGradients(tokens, width, vocabulary, accumulating: false)
  }

  private func checkGradients(_ tokens: Int, _ width: Int, _ vocabulary: Int, accumulating: Bool) {
    let input = Case(tokens, width, vocabulary)
    let dHidden = Tensor.random(tokens, width, seed: 3)
    let dWeight = Tensor(zeros: input.weight.shape)
    dWeight.fill(0.25)
    let gradientScale = 0.125
    let sum = outputHeadLossAndGradients(
      input.hidden, weight: input.weight, targets: input.targets, gradientScale: Float(gradientScale), into: dHidden,
      into: dWeight, accumulating: accumulating, workspace: Workspace(), workers: workers)
    let evaluated = outputHeadLoss(
      input.hidden, weight: input.weight, targets: input.targets, workspace: Workspace(), workers: workers)
    #expect(sum == evaluated)

    let before = accumulating ? 0.25 : 0
    let exactHidden = NaiveMatrix(input.hidden)
    let exactWeight = NaiveMatrix(input.weight)
    for index in sample(of: dHidden) {
      let (row, column) = index.quotientAndRemainder(dividingBy: width)
      let expected = finiteDifference(at: exactHidden, row: row, column: column) { input.naiveLoss(hidden: $0) }
      #expect(abs(Double(dHidden[row, column]) - expected * gradientScale) < 3e-7, "hidden [\(row), \(column)]")
    }
    for index in sample(of: dWeight) {
      let (row, column) = index.quotientAndRemainder(dividingBy: width)
      let expected = finiteDifference(at: exactWeight, row: row, column: column) { input.naiveLoss(weight: $0) }
      #expect(
        abs(Double(dWeight[row, column]) - before - expected * gradientScale) < 3e-6, "weight [\(row), \(column)]")
    }
  }

  private func sample(of tensor: Tensor) -> StrideTo<Int> {
    stride(from: 0, to: tensor.count, by: max(1, tensor.count / 40) | 1)
  }

  @Test func aTokenDoesNotDependOnItsNeighbours() {
    let input = Case(300, 16, 600)
    let together = Tensor(zeros: [300, 16])
    let alone = Tensor(zeros: [1, 16])
    let dWeight = Tensor(zeros: [600, 16])
    _ = outputHeadLossAndGradients(
      input.hidden, weight: input.weight, targets: input.targets, gradientScale: 1, into: together,
      into: dWeight, accumulating: true, workspace: Workspace(), workers: workers)
    for row in [0, 31, 255, 256, 299] {
      _ = outputHeadLossAndGradients(
        input.hidden[rows: row..<row + 1], weight: input.weight, targets: input.targets[row..<row + 1],
        gradientScale: 1, into: alone, into: dWeight, accumulating: true, workspace: Workspace(), workers: workers)
      #expect(alone.bits == together[rows: row..<row + 1].bits, "row \(row)")
    }
  }
}
