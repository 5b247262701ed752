import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Experts drawn for tokens by a Zipf law: expert i in proportion to (i + 1)^−Z, the choices of a token without repetition.
///
/// The largest of log p + G with independent Gumbel noise G are a draw without replacement in proportion to p (Kool et al.
/// 2019). A choice is a function of the token's and the expert's place, the same at any number of ranks.
struct SkewedChoices {
  private let shape: LayerBenchmark.Shape
  private let logWeights: [Double]
  private let random = CounterRandom(seed: 0, stream: "skewed choices")

  init(_ shape: LayerBenchmark.Shape) {
    self.shape = shape
    logWeights = (0..<shape.expertCount).map { -shape.skew * log(Double($0 + 1)) }
  }

  /// The choices of a range of tokens, one token after another.
  func experts(of tokens: Range<Int>) -> [Int32] {
    tokens.flatMap { token -> ArraySlice<Int32> in
      let keys = logWeights.indices.map { expert in
        logWeights[expert] - log(-log(uniform(token * shape.expertCount + expert)))
      }
      let order = keys.indices.sorted { (-keys[$0], $0) < (-keys[$1], $1) }
      return order.prefix(shape.expertsPerToken).map(Int32.init)[...]
    }
  }

  /// Between 0 and 1, neither of them.
  private func uniform(_ place: Int) -> Double { (Double(random.word(UInt64(place))) + 0.5) / 0x1p32 }
}
