package import ExpertParallel
import Planning
import Tensors
package import TestSupport

/// The tokens of all ranks at one MoE layer, who goes where, and all of the layer's experts.
package struct ExpertBatch: Sendable {
  package let activation: ExpertActivation
  package let hiddenSize: Int
  package let intermediateSize: Int
  package let expertCount: Int
  package let expertsPerToken: Int
  /// [T, D]
  package var x: [Float]
  /// [T, K]
  package var expertIDs: [Int32]
  package var gateWeights: [Float]
  package var isKept: [Bool]
  /// The gradient of the layer's output. [T, D]
  package var outputGradient: [Float]
  /// Every expert's input matrix [J, D] and output matrix [D, F].
  package var weights: [Matrices]

  package struct Matrices: Hashable, Sendable {
    package var input: [Float]
    package var output: [Float]

    package init(input: [Float], output: [Float]) {
      self.input = input
      self.output = output
    }
  }

  package var tokenCount: Int { expertIDs.count / expertsPerToken }

  /// Random numbers for given choices.
  package init(
    activation: ExpertActivation, hiddenSize: Int, intermediateSize: Int, expertCount: Int, expertsPerToken: Int,
    expertIDs: [Int32], isKept: [Bool]? = nil, seed: Int
  ) {
    self.activation = activation
    self.hiddenSize = hiddenSize
    self.intermediateSize = intermediateSize
    self.expertCount = expertCount
    self.expertsPerToken = expertsPerToken
    self.expertIDs = expertIDs
    self.isKept = isKept ?? expertIDs.map { _ in true }
    var generator = SeededGenerator(seed: seed)
    let elementCount = expertIDs.count / expertsPerToken * hiddenSize
    let inputRows = activation.inputMatrixCount * intermediateSize
    x = generator.floats(elementCount, below: 2)
    gateWeights = expertIDs.map { _ in Float.random(in: 0.05..<1, using: &generator) }
    outputGradient = generator.floats(elementCount)
    weights = (0..<expertCount).map { _ in
      Matrices(
        input: generator.floats(inputRows * hiddenSize, below: 2 / Float(hiddenSize).squareRoot()),
        output: generator.floats(hiddenSize * intermediateSize, below: 2 / Float(intermediateSize).squareRoot()))
    }
  }

  /// The routing decision of a block of tokens.
  func decision(of tokens: Range<Int>) -> RoutingDecision {
    let range = tokens.lowerBound * expertsPerToken..<tokens.upperBound * expertsPerToken
    return RoutingDecision(
      expertsPerToken: expertsPerToken, expertIDs: Array(expertIDs[range]), gateWeights: Array(gateWeights[range]),
      isKept: Array(isKept[range]))
  }

  /// What the naive layer makes of it.
  package var reference: ReferenceMoE {
    ReferenceMoE(
      activation: activation == .swiGLU ? .swiGLU : .gelu, hiddenSize: hiddenSize, intermediateSize: intermediateSize,
      experts: weights.map { ReferenceMoE.Expert(input: $0.input.map(Double.init), output: $0.output.map(Double.init)) }
    )
  }

  package var referenceRouting: ReferenceMoE.Routing {
    ReferenceMoE.Routing(
      expertsPerToken: expertsPerToken, experts: expertIDs.map(Int.init), weights: gateWeights.map(Double.init),
      isKept: isKept)
  }

  /// The reference's outputs and gradients, rounded to single precision.
  package var expected: ExpertLayerResult {
    let tokens = x.map(Double.init)
    let gradients = reference.backward(outputGradient.map(Double.init), x: tokens, referenceRouting)
    return ExpertLayerResult(
      out: reference.forward(tokens, referenceRouting).map(Float.init), dx: gradients.x.map(Float.init),
      dGateWeights: gradients.weights.map(Float.init),
      dWeights: gradients.experts.map { Matrices(input: $0.input.map(Float.init), output: $0.output.map(Float.init)) })
  }
}
