import ExpertParallel
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// The layer of `LayerBenchmark` in plain loops and double precision, forward and backward, on one rank: what
/// `bench layer --verify` compares with. It shares no code with the real one.
struct NaiveLayer {
  let shape: LayerBenchmark.Shape
  let router: [[Double]]
  let input: [[[Double]]]
  let output: [[[Double]]]

  /// The result for one token, and what a gradient of the result does to the token.
  struct TokenResult {
    var y: [Double]
    var dx: [Double]
  }

  init(_ benchmark: LayerBenchmark, experts: [ExpertWeights]) {
    shape = benchmark.shape
    router = Self.rows(benchmark.routerWeight)
    input = experts.map { Self.rows($0.input) }
    output = experts.map { Self.rows($0.output) }
  }

  private static func rows(_ tensor: Tensor) -> [[Double]] {
    (0..<tensor.rows).map { row in (0..<tensor.columns).map { Double(tensor[row, $0]) } }
  }

  func evaluate(_ x: [Double], outputGradient: [Double]) -> TokenResult {
    let logits = router.map { Self.dot($0, x) }
    let top = logits.max() ?? 0
    let exponentials = logits.map { exp($0 - top) }
    let chosen = Array(
      exponentials.indices.sorted { (-exponentials[$0], $0) < (-exponentials[$1], $1) }.prefix(shape.expertsPerToken))
    let total = chosen.reduce(0) { $0 + exponentials[$1] }
    let weights = chosen.map { exponentials[$0] / total }
    var result = TokenResult(y: x.map { _ in 0 }, dx: x.map { _ in 0 })
    var weightGradients: [Double] = []
    for (expert, weight) in zip(chosen, weights) {
      let (y, dx) = evaluate(expert: expert, x, gradient: outputGradient.map { $0 * weight })
      for column in x.indices {
        result.y[column] += weight * y[column]
        result.dx[column] += dx[column]
      }
      weightGradients.append(Self.dot(y, outputGradient))
    }
    // Softmax over the chosen logits: dlogit = w·(dw − Σ w·dw).
    let mean = Self.dot(weights, weightGradients)
    for (index, expert) in chosen.enumerated() {
      let dLogit = weights[index] * (weightGradients[index] - mean)
      for column in x.indices { result.dx[column] += dLogit * router[expert][column] }
    }
    return result
  }

  private func evaluate(expert: Int, _ x: [Double], gradient: [Double]) -> (y: [Double], dx: [Double]) {
    let h = input[expert].map { Self.dot($0, x) }
    let da = (0..<shape.intermediateSize).map { unit in
      gradient.indices.reduce(0) { $0 + gradient[$1] * output[expert][$1][unit] }
    }
    let (a, dh) = activate(h, da)
    let y = output[expert].map { Self.dot($0, a) }
    let dx = x.indices.map { column in h.indices.reduce(0) { $0 + dh[$1] * input[expert][$1][column] } }
    return (y, dx)
  }

  private func activate(_ h: [Double], _ da: [Double]) -> (a: [Double], dh: [Double]) {
    switch shape.activation {
    case .gelu:
      let a = h.map { $0 * 0.5 * (1 + erf($0 * 0.5.squareRoot())) }
      let dh = zip(h, da).map { h, da in
        da * (0.5 * (1 + erf(h * 0.5.squareRoot())) + h * exp(-h * h / 2) / (2 * Double.pi).squareRoot())
      }
      return (a, dh)
    case .swiGLU:
      let units = 0..<shape.intermediateSize
      let sigma = units.map { 1 / (1 + exp(-h[$0])) }
      let up = units.map { h[shape.intermediateSize + $0] }
      let a = units.map { h[$0] * sigma[$0] * up[$0] }
      let dGate = units.map { da[$0] * up[$0] * sigma[$0] * (1 + h[$0] * (1 - sigma[$0])) }
      let dUp = units.map { da[$0] * h[$0] * sigma[$0] }
      return (a, dGate + dUp)
    }
  }

  private static func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
}
