import ExpertParallel
import RankCases
import TestSupport
import Testing

@Suite("Reference MoE layer")
struct ReferenceMoETests {
  @Test("has gradients that agree with finite differences", arguments: [ExpertActivation.swiGLU, .gelu])
  func finiteDifferences(activation: ExpertActivation) {
    let batch = smallBatch(activation)
    let x = batch.x.map(Double.init)
    let direction = batch.outputGradient.map(Double.init)
    let reference = batch.reference
    let routing = batch.referenceRouting
    let gradients = reference.backward(direction, x: x, routing)

    func loss(_ layer: ReferenceMoE, _ x: [Double], _ routing: ReferenceMoE.Routing) -> Double {
      zip(layer.forward(x, routing), direction).reduce(0) { $0 + $1.0 * $1.1 }
    }
    func slope(_ loss: (Double) -> Double) -> Double { (loss(1e-5) - loss(-1e-5)) / 2e-5 }

    for index in x.indices {
      let measured = slope { step in
        var moved = x
        moved[index] += step
        return loss(reference, moved, routing)
      }
      #expect(abs(measured - gradients.x[index]) < 1e-8)
    }
    for index in routing.weights.indices {
      let measured = slope { step in
        var moved = routing
        moved.weights[index] += step
        return loss(reference, x, moved)
      }
      #expect(abs(measured - gradients.weights[index]) < 1e-8)
    }
    for expert in reference.experts.indices {
      for index in reference.experts[expert].input.indices {
        let measured = slope { step in
          var moved = reference
          moved.experts[expert].input[index] += step
          return loss(moved, x, routing)
        }
        #expect(abs(measured - gradients.experts[expert].input[index]) < 1e-8)
      }
      for index in reference.experts[expert].output.indices {
        let measured = slope { step in
          var moved = reference
          moved.experts[expert].output[index] += step
          return loss(moved, x, routing)
        }
        #expect(abs(measured - gradients.experts[expert].output[index]) < 1e-8)
      }
    }
  }
}

/// Five tokens with two choices each out of three experts, one of them dropped.
func smallBatch(_ activation: ExpertActivation) -> ExpertBatch {
  ExpertBatch(
    activation: activation, hiddenSize: 5, intermediateSize: 4, expertCount: 3, expertsPerToken: 2,
    expertIDs: [0, 1, 2, 0, 1, 2, 1, 0, 0, 2],
    isKept: [true, true, true, true, true, false, true, true, true, true], seed: 11)
}
