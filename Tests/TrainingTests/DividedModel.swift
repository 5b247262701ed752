import Communication
import Tensors
import Topology

/// A made-up model whose parameters are spread over ranks as a real one's: replicated tensors, and experts with three
/// tensors each in two layers.
struct DividedModel: Sendable {
  let topology: ParallelTopology
  var expertCount = 6

  static let replicated: [(name: String, size: Int)] = [
    ("embedding", 301), ("layers.0.norm", 17), ("layers.0.router", 90), ("layers.1.norm", 17), ("head", 333),
  ]

  /// Parameters of an expert's tensors.
  static let expertSizes = [("w1", 48), ("w2", 53), ("w3", 48)]

  func layout(of rank: Rank) -> ParameterLayout {
    let hosted = BlockPartition(count: expertCount, parts: topology.expertParallelSize)
      .range(of: topology.expertParallelRank(of: rank).index)
    return layout(hosting: hosted)
  }

  var wholeLayout: ParameterLayout { layout(hosting: 0..<expertCount) }

  private func layout(hosting experts: Range<Int>) -> ParameterLayout {
    var layout = ParameterLayout()
    for (name, size) in Self.replicated { layout.add(name, [size], isReplicated: true) }
    for layer in 0..<2 {
      for expert in experts {
        for (name, size) in Self.expertSizes {
          layout.add("layers.\(layer).experts.\(expert).\(name)", [size], isReplicated: false)
        }
      }
    }
    return layout
  }

  /// Fills each tensor with numbers that depend on its name, and on `stream`, but on no layout.
  static func fill(_ buffer: ParameterBuffer, stream: UInt64) {
    for slot in buffer.layout.slots {
      let random = CounterRandom(seed: stream, stream: slot.name)
      for index in 0..<slot.range.count { buffer.values[slot.range.lowerBound + index] = random.normal(UInt64(index)) }
    }
  }
}
