#if canImport(Glibc)
  import Glibc
#endif

/// Top-k routing and its losses in plain double-precision loops, sharing nothing with the program.
struct NaiveRouter {
  let expertCount: Int
  let expertsPerToken: Int

  struct Token {
    var probabilities: [Double]
    var logSumExp: Double
    var choices: [Int]
    var gateWeights: [Double]
  }

  /// - Parameter fixed: each token's choices where they are not the most probable ones.
  func route(_ x: [[Double]], weight: [[Double]], fixed: [[Int]]? = nil) -> [Token] {
    x.enumerated().map { token, row in
      let logits = weight.map { w in zip(w, row).reduce(0) { $0 + $1.0 * $1.1 } }
      let logSumExp = log(logits.reduce(0) { $0 + exp($1) })
      let probabilities = logits.map { exp($0 - logSumExp) }
      let order = probabilities.indices.sorted { (-probabilities[$0], $0) < (-probabilities[$1], $1) }
      let choices = fixed?[token] ?? Array(order.prefix(expertsPerToken))
      let sum = choices.reduce(0) { $0 + probabilities[$1] }
      return Token(
        probabilities: probabilities, logSumExp: logSumExp, choices: choices,
        gateWeights: choices.map { probabilities[$0] / sum })
    }
  }

  /// transformers' `load_balancing_loss_func`, line by line: concatenate the layers, one-hot the choices, mean over
  /// tokens for each choice slot and expert, multiply with the mean probability, sum, times the number of experts.
  func loadBalancingLoss(_ layers: [[Token]]) -> Double {
    let tokens = layers.flatMap { $0 }
    var tokensPerExpert = Array(repeating: Array(repeating: 0.0, count: expertCount), count: expertsPerToken)
    var probabilityPerExpert = Array(repeating: 0.0, count: expertCount)
    for token in tokens {
      for (slot, expert) in token.choices.enumerated() { tokensPerExpert[slot][expert] += 1 / Double(tokens.count) }
      for expert in 0..<expertCount {
        probabilityPerExpert[expert] += token.probabilities[expert] / Double(tokens.count)
      }
    }
    var loss = 0.0
    for slot in tokensPerExpert {
      for (expert, share) in slot.enumerated() { loss += share * probabilityPerExpert[expert] }
    }
    return loss * Double(expertCount)
  }

  func zLoss(_ layers: [[Token]]) -> Double {
    let tokens = layers.flatMap { $0 }
    return tokens.reduce(0) { $0 + $1.logSumExp * $1.logSumExp } / Double(tokens.count)
  }
}
