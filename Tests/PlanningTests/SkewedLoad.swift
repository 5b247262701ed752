import Planning

#if canImport(Glibc)
  import Glibc
#endif

/// Expected loads of tokens that choose one or two different experts, expert i with a chance ∝ (i + 1)^−Z.
enum SkewedLoad {
  static func expected(
    tokensPerRank: Int, rankCount: Int, expertCount: Int, choices: Int, exponent: Double
  ) -> RoutingLoad {
    let weights = (1...expertCount).map { pow(Double($0), -exponent) }
    let first = weights.map { $0 / weights.reduce(0, +) }
    // The second choice is drawn from what the first one left: p_e · Σ_{f ≠ e} p_f / (1 − p_f).
    let left = first.map { $0 / (1 - $0) }
    let row = first.indices.map { expert in
      let second = choices == 2 ? first[expert] * (left.reduce(0, +) - left[expert]) : 0
      return Int((Double(tokensPerRank) * (first[expert] + second)).rounded())
    }
    return RoutingLoad(
      tokenCounts: Array(repeating: tokensPerRank, count: rankCount), expertsPerToken: choices,
      expertCount: expertCount, counts: (0..<rankCount).flatMap { _ in row })
  }
}
