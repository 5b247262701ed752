import Planning
import Routing
import Tensors
import Testing

struct TopKRouterTests {
  @Test(
    "choices, weights, probabilities and logSumExp are those of the plain loops",
    arguments: [(1, 1), (4, 1), (4, 4), (8, 2), (40, 3)])
  func forward(expertCount: Int, expertsPerToken: Int) {
    let routing = RouterCase(
      tokenCount: 33, hiddenSize: 24, expertCount: expertCount, expertsPerToken: expertsPerToken)
    let saved = routing.forward()
    for (token, expected) in routing.naiveTokens().enumerated() {
      #expect(abs(Double(saved.logSumExp[token, 0]) - expected.logSumExp) < 1e-5)
      for expert in 0..<expertCount {
        #expect(abs(Double(saved.probabilities[token, expert]) - expected.probabilities[expert]) < 1e-6)
      }
      for choice in 0..<expertsPerToken {
        let assignment = token * expertsPerToken + choice
        #expect(Int(saved.decision.expertIDs[assignment]) == expected.choices[choice])
        #expect(abs(Double(saved.decision.gateWeights[assignment]) - expected.gateWeights[choice]) < 1e-6)
      }
    }
  }

  @Test("equal probabilities go to the lower expert")
  func ties() {
    let routing = RouterCase(tokenCount: 5, hiddenSize: 4, expertCount: 6, expertsPerToken: 3)
    routing.layers[0].weight.fill(0)
    #expect(routing.forward().decision.expertIDs == (0..<5).flatMap { _ in [0, 1, 2] as [Int32] })
  }

  @Test("a rank without tokens decides nothing")
  func noTokens() {
    let saved = RouterCase(tokenCount: 0, hiddenSize: 4, expertCount: 6, expertsPerToken: 3).forward(sequenceLength: 8)
    #expect(saved.decision.tokenCount == 0 && saved.probabilities.rows == 0)
  }

  @Test("capacity marks what it drops, sequence by sequence, and leaves the weights of the others")
  func capacity() {
    let routing = RouterCase(tokenCount: 24, hiddenSize: 6, expertCount: 4, expertsPerToken: 2)
    let dropless = routing.forward().decision
    let limited = routing.forward(capacity: .limited(factor: 0.75), sequenceLength: 8).decision
    #expect(limited.expertIDs == dropless.expertIDs && limited.gateWeights == dropless.gateWeights)
    #expect(limited.droppedCount > 0)
    // C = ⌈0.75 · 2 · 8 / 4⌉ = 3 slots for each expert in each sequence of 8 tokens, given in order.
    for sequence in 0..<3 {
      var used = Array(repeating: 0, count: 4)
      for assignment in sequence * 16..<(sequence + 1) * 16 {
        let expert = Int(limited.expertIDs[assignment])
        #expect(limited.isKept[assignment] == (used[expert] < 3))
        used[expert] += 1
      }
    }
  }
}
