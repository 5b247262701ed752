import Kernels
import Tensors
import TestSupport
import Testing

/// SwiGLU and GELU behind one interface, so that both go through every test.
enum Activation: CaseIterable, CustomTestStringConvertible {
  case swiGLU, gelu

  var testDescription: String { self == .swiGLU ? "SwiGLU" : "GELU" }
  /// Input columns for each output column.
  var inputsPerOutput: Int { self == .swiGLU ? 2 : 1 }

  func naive(_ input: NaiveMatrix) -> NaiveMatrix { self == .swiGLU ? naiveSwiGLU(input) : naiveGELU(input) }

  func forward(_ input: Tensor, into a: Tensor, workers: WorkerPool) {
    switch self {
    case .swiGLU: Kernels.swiGLU(input, into: a, workers: workers)
    case .gelu: Kernels.gelu(input, into: a, workers: workers)
    }
  }

  func backward(_ dA: Tensor, input: Tensor, into dInput: Tensor, workers: WorkerPool) {
    switch self {
    case .swiGLU: swiGLUBackward(dA, gateUp: input, into: dInput, workers: workers)
    case .gelu: geluBackward(dA, h: input, into: dInput, workers: workers)
    }
  }

  func expertBackward(_ dA: Tensor, input: Tensor, rowWeights: Tensor, workers: WorkerPool) -> ExpertGradients {
    let result = ExpertGradients(rows: dA.rows, inputWidth: input.columns, width: dA.columns)
    switch self {
    case .swiGLU:
      swiGLUExpertBackward(
        dA, gateUp: input, rowWeights: rowWeights, into: result.input, weightedA: result.weightedA,
        rowGradients: result.rows, workers: workers)
    case .gelu:
      geluExpertBackward(
        dA, h: input, rowWeights: rowWeights, into: result.input, weightedA: result.weightedA,
        rowGradients: result.rows, workers: workers)
    }
    return result
  }
}

struct ExpertGradients {
  let input: Tensor
  let weightedA: Tensor
  let rows: Tensor

  init(rows rowCount: Int, inputWidth: Int, width: Int) {
    input = Tensor.random(rowCount, inputWidth, seed: 91)
    weightedA = Tensor.random(rowCount, width, seed: 92)
    rows = Tensor.random(rowCount, 1, seed: 93)
  }
}

@Suite struct ActivationTests {
  private let workers = WorkerPool(threadCount: 2)
  private static let shapes = [(0, 16), (1, 1), (1, 16), (3, 37), (5, 130), (70, 600)]

  @Test(arguments: Activation.allCases, shapes)
  func agreesWithTheDefinition(activation: Activation, shape: (rows: Int, width: Int)) {
    let input = Tensor.random(shape.rows, activation.inputsPerOutput * shape.width, seed: 1, scale: 6)
    let a = Tensor.random(shape.rows, shape.width, seed: 2)
    activation.forward(input, into: a, workers: workers)
    #expect(a.difference(from: activation.naive(NaiveMatrix(input)), tolerance: 3e-7) == nil)
  }

  @Test(arguments: Activation.allCases, [(1, 3), (4, 21)])
  func gradientsAreFiniteDifferences(activation: Activation, shape: (rows: Int, width: Int)) {
    let input = Tensor.random(shape.rows, activation.inputsPerOutput * shape.width, seed: 1, scale: 4)
    let dA = Tensor.random(shape.rows, shape.width, seed: 2)
    let dInput = Tensor.random(input.rows, input.columns, seed: 3)
    activation.backward(dA, input: input, into: dInput, workers: workers)
    let weights = NaiveMatrix(dA)
    let expected = finiteDifferences(at: NaiveMatrix(input)) { activation.naive($0).dot(weights) }
    #expect(dInput.difference(from: expected, tolerance: 1e-6) == nil)
  }

  @Test(arguments: Activation.allCases, [(0, 5), (1, 3), (4, 37), (3, 128)])
  func expertFormWeighsRowsAndGivesTheWeightsGradient(activation: Activation, shape: (rows: Int, width: Int)) {
    let input = Tensor.random(shape.rows, activation.inputsPerOutput * shape.width, seed: 1, scale: 4)
    let dA = Tensor.random(shape.rows, shape.width, seed: 2)
    let rowWeights = Tensor.random(shape.rows, 1, seed: 3)
    if shape.rows > 1 { rowWeights[1, 0] = 0 }
    let result = activation.expertBackward(dA, input: input, rowWeights: rowWeights, workers: workers)

    let exactInput = NaiveMatrix(input)
    let a = activation.naive(exactInput)
    let weights = NaiveMatrix(rows: shape.rows, columns: shape.width) { row, column in
      Double(dA[row, column]) * Double(rowWeights[row, 0])
    }
    let dInput = finiteDifferences(at: exactInput) { activation.naive($0).dot(weights) }
    let weightedA = NaiveMatrix(rows: a.rows, columns: a.columns) { a[$0, $1] * Double(rowWeights[$0, 0]) }
    let rowGradients = NaiveMatrix(rows: a.rows, columns: 1) { row, _ in
      (0..<a.columns).reduce(0) { $0 + a[row, $1] * Double(dA[row, $1]) }
    }
    #expect(result.input.difference(from: dInput, tolerance: 1e-6) == nil)
    #expect(result.weightedA.difference(from: weightedA, tolerance: 5e-7) == nil)
    #expect(result.rows.difference(from: rowGradients, tolerance: 1e-6) == nil)
  }

  @Test func rowFormsTouchOnlyTheirRows() {
    let input = Tensor.random(6, 2 * 20, seed: 1)
    let whole = Tensor(zeros: [6, 20])
    let part = Tensor(zeros: [6, 20])
    swiGLU(input, into: whole, workers: workers)
    swiGLURows(input, into: part, rows: 2..<4)
    #expect(part[rows: 2..<4].bits == whole[rows: 2..<4].bits)
    #expect(part[rows: 0..<2].elements.allSatisfy { $0 == 0 } && part[rows: 4..<6].elements.allSatisfy { $0 == 0 })
  }

  @Test func farInputsStayFinite() {
    let far = Tensor([-1e4, -90, 90, 1e4, 1, 1, 1, 1], shape: [1, 8])
    let a = Tensor(zeros: [1, 4])
    let dInput = Tensor(zeros: [1, 8])
    swiGLU(far, into: a, workers: workers)
    #expect(a.elements == [0, 0, 90, 1e4])
    swiGLUBackward(Tensor([1, 1, 1, 1], shape: [1, 4]), gateUp: far, into: dInput, workers: workers)
    #expect(dInput.elements.allSatisfy { $0.isFinite })
    let h = far[rows: 0..<1].reshaped([2, 4])
    let dH = Tensor(zeros: [2, 4])
    geluBackward(Tensor.random(2, 4, seed: 1), h: h, into: dH, workers: workers)
    #expect(dH.elements.allSatisfy { $0.isFinite })
  }
}
