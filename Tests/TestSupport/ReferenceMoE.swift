import Glibc

// T tokens, K experts per token, D hidden, F intermediate; J is 2F for SwiGLU, F for GELU. Row-major, double precision.

/// An MoE layer computed one token, one choice and one number at a time: what the real one is compared with.
///
/// out[t] = Σ over t's kept choices, in order, of weight · down · act(up · x[t])
///
/// The router is not part of it: who goes where is given.
package struct ReferenceMoE {
  package enum Activation: Sendable {
    /// silu(gate · x) ∘ (up · x), gate above up
    case swiGLU
    /// ½h(1 + erf(h/√2))
    case gelu
  }

  /// The matrices of one expert, or their gradients.
  package struct Expert: Sendable {
    /// [J, D]
    package var input: [Double]
    /// [D, F]
    package var output: [Double]

    package init(input: [Double], output: [Double]) {
      self.input = input
      self.output = output
    }
  }

  /// Who goes where; assignment `token · K + choice`.
  package struct Routing: Sendable {
    package var expertsPerToken: Int
    /// [T · K]
    package var experts: [Int]
    /// [T · K]
    package var weights: [Double]
    /// [T · K]
    package var isKept: [Bool]

    package init(expertsPerToken: Int, experts: [Int], weights: [Double], isKept: [Bool]) {
      self.expertsPerToken = expertsPerToken
      self.experts = experts
      self.weights = weights
      self.isKept = isKept
    }

    package var tokenCount: Int { experts.count / expertsPerToken }
  }

  package struct Gradients: Sendable {
    /// [T, D]
    package var x: [Double]
    /// [T, K]
    package var weights: [Double]
    package var experts: [Expert]
  }

  let activation: Activation
  let hiddenSize: Int
  let intermediateSize: Int
  package var experts: [Expert]

  package init(activation: Activation, hiddenSize: Int, intermediateSize: Int, experts: [Expert]) {
    self.activation = activation
    self.hiddenSize = hiddenSize
    self.intermediateSize = intermediateSize
    self.experts = experts
  }

  private var inputRows: Int { activation == .swiGLU ? 2 * intermediateSize : intermediateSize }

  package func forward(_ x: [Double], _ routing: Routing) -> [Double] {
    var out = Array(repeating: 0.0, count: x.count)
    forEachKept(routing) { assignment, token, expert in
      let y = output(expert, activated(hidden(expert, row(x, token))))
      for d in 0..<hiddenSize { out[token * hiddenSize + d] += routing.weights[assignment] * y[d] }
    }
    return out
  }

  /// The gradients of a loss whose gradient with respect to `out` is given. [T, D]
  package func backward(_ outputGradient: [Double], x: [Double], _ routing: Routing) -> Gradients {
    var result = Gradients(
      x: Array(repeating: 0, count: x.count), weights: Array(repeating: 0, count: routing.experts.count),
      experts: experts.map {
        Expert(
          input: Array(repeating: 0, count: $0.input.count), output: Array(repeating: 0, count: $0.output.count))
      })
    forEachKept(routing) { assignment, token, expert in
      let input = row(x, token)
      let gradient = row(outputGradient, token)
      let weight = routing.weights[assignment]
      let h = hidden(expert, input)
      let a = activated(h)
      let y = output(expert, a)
      for d in 0..<hiddenSize { result.weights[assignment] += gradient[d] * y[d] }
      var da = Array(repeating: 0.0, count: intermediateSize)
      for d in 0..<hiddenSize {
        for f in 0..<intermediateSize {
          let place = d * intermediateSize + f
          da[f] += weight * gradient[d] * experts[expert].output[place]
          result.experts[expert].output[place] += weight * gradient[d] * a[f]
        }
      }
      let dh = hiddenGradient(h, da)
      for j in 0..<inputRows {
        for d in 0..<hiddenSize {
          let place = j * hiddenSize + d
          result.x[token * hiddenSize + d] += dh[j] * experts[expert].input[place]
          result.experts[expert].input[place] += dh[j] * input[d]
        }
      }
    }
    return result
  }

  private func forEachKept(_ routing: Routing, _ body: (_ assignment: Int, _ token: Int, _ expert: Int) -> Void) {
    for token in 0..<routing.tokenCount {
      for choice in 0..<routing.expertsPerToken {
        let assignment = token * routing.expertsPerToken + choice
        if routing.isKept[assignment] { body(assignment, token, routing.experts[assignment]) }
      }
    }
  }

  private func row(_ x: [Double], _ token: Int) -> [Double] {
    Array(x[token * hiddenSize..<(token + 1) * hiddenSize])
  }

  private func hidden(_ expert: Int, _ x: [Double]) -> [Double] {
    product(experts[expert].input, rows: inputRows, x)
  }

  private func output(_ expert: Int, _ a: [Double]) -> [Double] {
    product(experts[expert].output, rows: hiddenSize, a)
  }

  private func product(_ matrix: [Double], rows: Int, _ vector: [Double]) -> [Double] {
    (0..<rows).map { row in
      var sum = 0.0
      for column in vector.indices { sum += matrix[row * vector.count + column] * vector[column] }
      return sum
    }
  }

  private func activated(_ h: [Double]) -> [Double] {
    (0..<intermediateSize).map { f in
      switch activation {
      case .swiGLU: h[f] / (1 + exp(-h[f])) * h[intermediateSize + f]
      case .gelu: 0.5 * h[f] * (1 + erf(h[f] / 2.0.squareRoot()))
      }
    }
  }

  private func hiddenGradient(_ h: [Double], _ da: [Double]) -> [Double] {
    var dh = Array(repeating: 0.0, count: inputRows)
    for f in 0..<intermediateSize {
      switch activation {
      case .swiGLU:
        let (gate, up) = (h[f], h[intermediateSize + f])
        let sigmoid = 1 / (1 + exp(-gate))
        dh[f] = da[f] * up * (sigmoid + gate * sigmoid * (1 - sigmoid))
        dh[intermediateSize + f] = da[f] * gate * sigmoid
      case .gelu:
        let cumulative = 0.5 * (1 + erf(h[f] / 2.0.squareRoot()))
        let density = exp(-h[f] * h[f] / 2) / (2 * Double.pi).squareRoot()
        dh[f] = da[f] * (cumulative + h[f] * density)
      }
    }
    return dh
  }
}
