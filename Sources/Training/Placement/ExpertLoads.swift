import Communication
import Planning
import Routing
import Tensors
import Topology

/// How this rank's tokens have been routed since the experts were last looked at, layer by layer.
struct ExpertLoads {
  private let topology: ParallelTopology
  private let expertCount: Int
  private let expertsPerToken: Int
  private let layerCount: Int
  /// Tokens; rows of each expert [layers · E].
  private let own: Buffer<Int64>
  private let all: Buffer<Int64>
  /// Forward passes, the same number on all ranks.
  private(set) var passCount = 0

  /// - Parameter layerCount: layers that have experts.
  init(expertCount: Int, expertsPerToken: Int, layerCount: Int, topology: ParallelTopology) {
    self.topology = topology
    self.expertCount = expertCount
    self.expertsPerToken = expertsPerToken
    self.layerCount = layerCount
    own = Buffer(count: 1 + layerCount * expertCount)
    all = Buffer(count: own.count * topology.worldSize)
    own.fill(0)
  }

  /// Adds a forward pass.
  ///
  /// - Parameter routing: of this rank's tokens alone, not yet summed over ranks.
  mutating func add(_ routing: RoutingStatistics) {
    passCount += 1
    guard layerCount > 0 else { return }
    own[0] += Int64(routing.tokenCount) / Int64(layerCount)
    for layer in 0..<layerCount {
      for expert in 0..<expertCount {
        own[1 + layer * expertCount + expert] += Int64(routing.rows(layer: layer, expert: expert))
      }
    }
  }

  /// The load of each layer with experts, and a new beginning. Every rank calls it and gets the same.
  ///
  /// The ranks of all expert-parallel groups that host the same experts count as one: what is decided holds for each group.
  mutating func take(over world: any Communicator) throws(CommunicationError) -> [RoutingLoad] {
    try world.allGather(own, into: all)
    own.fill(0)
    passCount = 0
    return (0..<layerCount).map(load)
  }

  private func load(ofLayer layer: Int) -> RoutingLoad {
    var tokens = Array(repeating: 0, count: topology.expertParallelSize)
    var counts = Array(repeating: 0, count: topology.expertParallelSize * expertCount)
    for rank in 0..<topology.worldSize {
      let member = topology.expertParallelRank(of: Rank(rank)).index
      let values = all[rank * own.count..<(rank + 1) * own.count]
      tokens[member] += Int(values[0])
      for expert in 0..<expertCount {
        counts[member * expertCount + expert] += Int(values[1 + layer * expertCount + expert])
      }
    }
    return RoutingLoad(
      tokenCounts: tokens, expertsPerToken: expertsPerToken, expertCount: expertCount, counts: counts)
  }
}
