import Inference
import Tensors
import Testing

struct SamplingTests {
  private func tokens(_ logits: [Float], _ sampling: Sampling, count: Int) -> [Int32] {
    (0..<count).map { sampling.token(from: Buffer(logits), position: $0) }
  }

  @Test("temperature 0 takes the likeliest token, the lower of two alike")
  func greedy() {
    #expect(tokens([0, 3, -1, 3, 2], Sampling(seed: 4), count: 3) == [1, 1, 1])
  }

  @Test("tokens come as often as their probabilities say", arguments: [0.5, 1, 2])
  func frequencies(temperature: Double) {
    let logits: [Float] = [1, 0, -1, 0.5]
    let drawn = tokens(logits, Sampling(temperature: temperature, seed: 9), count: 20_000)
    let total = logits.reduce(0) { $0 + exponential(Double($1) / temperature) }
    for (token, logit) in logits.enumerated() {
      let share = Double(drawn.count { $0 == Int32(token) }) / Double(drawn.count)
      #expect(abs(share - exponential(Double(logit) / temperature) / total) < 0.012, "token \(token)")
    }
  }

  @Test("top-p keeps the fewest likeliest tokens that reach the share")
  func nucleus() {
    // Probabilities 0.2, 0.4, 0.1, 0.3.
    let logits: [Float] = [2, 4, 1, 3].map { logarithm($0) }
    let kept = { (topP: Double) in
      Set(tokens(logits, Sampling(temperature: 1, topP: topP, seed: 1), count: 2_000))
    }
    #expect(kept(0.39) == [1])
    #expect(kept(0.41) == [1, 3])
    #expect(kept(0.69) == [1, 3])
    #expect(kept(0.71) == [0, 1, 3])
    #expect(kept(1) == [0, 1, 2, 3])
  }

  @Test("the token at a position depends on seed and position alone")
  func reproducible() {
    let logits: [Float] = (0..<50).map { Float($0 % 7) * 0.1 }
    let sampling = Sampling(temperature: 1, seed: 3)
    #expect(tokens(logits, sampling, count: 40) == tokens(logits, sampling, count: 40))
    #expect(tokens(logits, sampling, count: 40) != tokens(logits, Sampling(temperature: 1, seed: 4), count: 40))
    #expect(Set(tokens(logits, sampling, count: 40)).count > 10)
  }

  @Test("logits that are no numbers give some token, not a trap")
  func notNumbers() {
    let token = Sampling(temperature: 1, topP: 0.5).token(from: Buffer([Float.nan, .nan, .nan]), position: 0)
    #expect(token >= 0 && token < 3)
  }
}

#if canImport(Glibc)
  import Glibc
#endif

private func exponential(_ x: Double) -> Double { exp(x) }
private func logarithm(_ x: Double) -> Float { Float(log(x)) }
