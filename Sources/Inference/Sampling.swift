package import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// How the next token is chosen from its logits.
package struct Sampling: Hashable, Sendable {
  /// Logits are divided by it; 0 takes the likeliest token.
  package var temperature: Double
  /// Only the likeliest tokens whose probabilities together reach this share are kept (nucleus sampling, Holtzman et
  /// al. 2020); 1 keeps all.
  package var topP: Double
  package var seed: UInt64

  package init(temperature: Double = 0, topP: Double = 1, seed: UInt64 = 0) {
    self.temperature = temperature
    self.topP = topP
    self.seed = seed
  }

  /// The token at a position. Equal logits go to the lower id; the random number is a function of seed and position.
  package func token(from logits: Buffer<Float>, position: Int) -> Int32 {
    precondition(logits.count > 0, "no logits to choose from")
    let logits = logits.elements
    guard temperature > 0 else { return Self.likeliest(logits) }
    let kept = nucleus(logits)
    let target = CounterRandom(seed: seed, stream: "generate").uniformDouble(UInt64(position)) * kept.total
    var sum = 0.0
    for candidate in kept.candidates {
      sum += candidate.weight
      if sum > target { return candidate.token }
    }
    return kept.candidates[kept.candidates.count - 1].token
  }

  private static func likeliest(_ logits: [Float]) -> Int32 {
    var best = 0
    for token in 1..<logits.count where logits[token] > logits[best] { best = token }
    return Int32(best)
  }

  private struct Candidate {
    let token: Int32
    /// exp((logit − largest) / temperature)
    let weight: Double
  }

  /// The likeliest tokens first, as few as reach the share, and the sum of their weights.
  private func nucleus(_ logits: [Float]) -> (candidates: [Candidate], total: Double) {
    let largest = Double(logits[Int(Self.likeliest(logits))])
    let candidates = logits.enumerated().map { token, logit in
      Candidate(token: Int32(token), weight: exp((Double(logit) - largest) / temperature))
    }.sorted { ($1.weight, $0.token) < ($0.weight, $1.token) }
    let all = candidates.reduce(0) { $0 + $1.weight }
    guard topP < 1 else { return (candidates, all) }
    var sum = 0.0
    var count = 0
    repeat {
      sum += candidates[count].weight
      count += 1
    } while count < candidates.count && sum < topP * all
    return (Array(candidates[..<count]), sum)
  }
}
