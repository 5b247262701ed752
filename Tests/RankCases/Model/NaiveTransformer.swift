import LanguageModel
import Planning
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// The model in plain double-precision loops, one token, one head, one expert at a time. It shares no code with the
/// program and keeps nothing: gradients are differences of whole losses.
struct NaiveTransformer {
  typealias Vector = [Double]

  let configuration: ModelConfiguration
  /// Row-major, by name.
  var weights: [String: Vector]
  var capacity = CapacityPolicy.dropless

  struct Result {
    /// For each sequence and position. [B][S][V]
    var logits: [[Vector]] = []
    /// Of every token and expert layer: the probabilities, logSumExp and choices.
    var routed: [(probabilities: Vector, logSumExp: Double, choices: [Int])] = []
    var droppedCount = 0
  }

  init(_ configuration: ModelConfiguration, _ parameters: ParameterBuffer) {
    self.configuration = configuration
    weights = Dictionary(
      uniqueKeysWithValues: parameters.layout.slots.map { ($0.name, parameters[$0].elements.map(Double.init)) })
  }

  func forward(_ sequences: [[Int32]]) -> Result {
    var result = Result()
    for tokens in sequences {
      let table = rows("model.embed_tokens.weight", width: configuration.hiddenSize)
      var x = tokens.map { table[Int($0)] }
      for layer in 0..<configuration.layerCount {
        let prefix = "model.layers.\(layer)."
        let attended = attention(x.map { norm($0, prefix + "input_layernorm.weight") }, prefix + "self_attn.")
        x = zip(x, attended).map(plus)
        let normed = x.map { norm($0, prefix + "post_attention_layernorm.weight") }
        let fed =
          configuration.hasExperts(layer: layer)
          ? experts(normed, prefix + "block_sparse_moe.", &result)
          : normed.map { swiGLU($0, prefix + "mlp.gate_proj", prefix + "mlp.up_proj", prefix + "mlp.down_proj") }
        x = zip(x, fed).map(plus)
      }
      let head = configuration.tiesEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight"
      result.logits.append(x.map { times(head, norm($0, "model.norm.weight")) })
    }
    return result
  }

  // MARK: Losses

  func loss(_ sequences: [[Int32]], targets: [[Int32]], balance: Double, z: Double) -> Double {
    let result = forward(sequences)
    return crossEntropy(result, targets) + balance * balanceLoss(result) + z * zLoss(result)
  }

  func crossEntropy(_ result: Result, _ targets: [[Int32]]) -> Double {
    var (sum, count) = (0.0, 0.0)
    for (logits, target) in zip(result.logits.joined(), targets.joined()) where target >= 0 {
      sum += logSumExp(logits) - logits[Int(target)]
      count += 1
    }
    return sum / count
  }

  func balanceLoss(_ result: Result) -> Double {
    let count = Double(result.routed.count)
    var loss = 0.0
    for expert in 0..<configuration.expertCount {
      let probability = result.routed.reduce(0) { $0 + $1.probabilities[expert] } / count
      let share = Double(result.routed.count { $0.choices.contains(expert) }) / count
      loss += share * probability
    }
    return loss * Double(configuration.expertCount)
  }

  func zLoss(_ result: Result) -> Double {
    result.routed.reduce(0) { $0 + $1.logSumExp * $1.logSumExp } / Double(result.routed.count)
  }

  // MARK: Layers

  private func attention(_ x: [Vector], _ prefix: String) -> [Vector] {
    let size = configuration.headSize
    let queries = x.indices.map { rotated(times(prefix + "q_proj.weight", x[$0]), position: $0) }
    let keys = x.indices.map { rotated(times(prefix + "k_proj.weight", x[$0]), position: $0) }
    let values = x.map { times(prefix + "v_proj.weight", $0) }
    return x.indices.map { position in
      var mixed = Vector(repeating: 0, count: configuration.headCount * size)
      for head in 0..<configuration.headCount {
        let shared = head / (configuration.headCount / configuration.keyValueHeadCount)
        let scores = (0...position).map { other in
          (0..<size).reduce(0) { $0 + queries[position][head * size + $1] * keys[other][shared * size + $1] }
            / Double(size).squareRoot()
        }
        let total = logSumExp(scores)
        for other in 0...position {
          for i in 0..<size { mixed[head * size + i] += exp(scores[other] - total) * values[other][shared * size + i] }
        }
      }
      return times(prefix + "o_proj.weight", mixed)
    }
  }

  /// Turns element i of each head with element i + size/2 by position · θ^(−2i/size).
  private func rotated(_ heads: Vector, position: Int) -> Vector {
    let (size, half) = (configuration.headSize, configuration.headSize / 2)
    var result = heads
    for head in 0..<heads.count / size {
      for i in 0..<half {
        let angle = Double(position) * pow(configuration.ropeTheta, -2 * Double(i) / Double(size))
        let (a, b) = (heads[head * size + i], heads[head * size + half + i])
        result[head * size + i] = a * cos(angle) - b * sin(angle)
        result[head * size + half + i] = b * cos(angle) + a * sin(angle)
      }
    }
    return result
  }

  private func experts(_ x: [Vector], _ prefix: String, _ result: inout Result) -> [Vector] {
    let slots = slotsPerExpert(sequenceLength: x.count)
    var used = [Int](repeating: 0, count: configuration.expertCount)
    return x.map { token in
      let logits = times(prefix + "gate.weight", token)
      let total = logSumExp(logits)
      let probabilities = logits.map { exp($0 - total) }
      let order = probabilities.indices.sorted { (-probabilities[$0], $0) < (-probabilities[$1], $1) }
      let choices = Array(order.prefix(configuration.expertsPerToken))
      result.routed.append((probabilities, total, choices))
      let sum = choices.reduce(0) { $0 + probabilities[$1] }
      var output = Vector(repeating: 0, count: token.count)
      for expert in choices {
        used[expert] += 1
        guard used[expert] <= slots else {
          result.droppedCount += 1
          continue
        }
        let name = prefix + "experts.\(expert)."
        let y = swiGLU(token, name + "w1", name + "w3", name + "w2")
        for i in output.indices { output[i] += probabilities[expert] / sum * y[i] }
      }
      return output
    }
  }

  private func slotsPerExpert(sequenceLength: Int) -> Int {
    guard case .limited(let factor) = capacity else { return .max }
    let even = Double(configuration.expertsPerToken * sequenceLength) / Double(configuration.expertCount)
    return Int((factor * even).rounded(.up))
  }

  private func swiGLU(_ x: Vector, _ gate: String, _ up: String, _ down: String) -> Vector {
    let gated = times(gate + ".weight", x).map { $0 / (1 + exp(-$0)) }
    return times(down + ".weight", zip(gated, times(up + ".weight", x)).map { $0 * $1 })
  }

  private func norm(_ x: Vector, _ scale: String) -> Vector {
    let mean = x.reduce(0) { $0 + $1 * $1 } / Double(x.count)
    let factor = 1 / (mean + Double(configuration.normEpsilon)).squareRoot()
    return zip(x, weights[scale] ?? []).map { $0 * factor * $1 }
  }

  // MARK: Arithmetic

  private func times(_ name: String, _ x: Vector) -> Vector {
    let matrix = weights[name] ?? []
    return (0..<matrix.count / x.count).map { row in
      x.indices.reduce(0) { $0 + matrix[row * x.count + $1] * x[$1] }
    }
  }

  private func rows(_ name: String, width: Int) -> [Vector] {
    let matrix = weights[name] ?? []
    return (0..<matrix.count / width).map { Array(matrix[$0 * width..<($0 + 1) * width]) }
  }

  private func logSumExp(_ x: Vector) -> Double {
    let largest = x.max() ?? 0
    return largest + log(x.reduce(0) { $0 + exp($1 - largest) })
  }

  private func plus(_ a: Vector, _ b: Vector) -> Vector { zip(a, b).map { $0 + $1 } }
}
