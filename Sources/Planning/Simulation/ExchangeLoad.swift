import Topology

/// How long messages of a pass take on their own, all handed over at once: the busiest link's bytes over its rate.
struct ExchangeLoad {
  /// Bytes out of and into each host. [hosts]
  private var out, into: [Double]
  /// Bytes that each rank copies to ranks of its host. [N]
  private var copied: [Double]
  private let cluster: SimulatedCluster

  /// - Parameter byteCount: of the messages from a rank to another one.
  init(_ traffic: ExchangeTraffic, on cluster: SimulatedCluster, byteCount: (_ source: Int, _ target: Int) -> Double) {
    self.cluster = cluster
    out = Array(repeating: 0, count: cluster.hosts.hostCount)
    into = out
    copied = Array(repeating: 0, count: traffic.rankCount)
    let hostOfRank = cluster.hosts.hostOfRank
    for source in 0..<traffic.rankCount {
      let first = source - source % traffic.groupSize
      for target in first..<first + traffic.groupSize where target != source {
        let bytes = byteCount(source, target)
        let (from, to) = (Int(hostOfRank[source]), Int(hostOfRank[target]))
        if from == to {
          copied[source] += bytes
        } else {
          out[from] += bytes
          into[to] += bytes
        }
      }
    }
  }

  /// The latency of the last message comes on top.
  var seconds: Double {
    let busiest = zip(out, into).reduce(0) { max($0, $1.0, $1.1) }
    let most = copied.max() ?? 0
    let between = busiest > 0 ? cluster.machine.otherHost.latencySeconds + busiest / cluster.linkBytesPerSecond : 0
    let inside = most > 0 ? cluster.machine.sameHost.latencySeconds + most / cluster.machine.sameHost.bytesPerSecond : 0
    return max(between, inside)
  }
}

extension ExchangeTraffic {
  /// The rows of a pass, out and back, and the gate weights' gradients behind them.
  func rowLoad(_ pass: SimulatedPass, _ shape: LayerShape, on cluster: SimulatedCluster) -> ExchangeLoad {
    ExchangeLoad(self, on: cluster) { source, target in
      let (there, back) = (pair(from: source, to: target % groupSize), pair(from: target, to: source % groupSize))
      let gradients = pass == .backward ? 4 * Double(assignments[back]) : 0
      return (Double(rows[there]) + Double(returnRows[back])) * shape.rowByteCount + gradients
    }
  }

  /// Rows out alone: one all-to-all.
  func dispatchLoad(_ shape: LayerShape, on cluster: SimulatedCluster) -> ExchangeLoad {
    ExchangeLoad(self, on: cluster) { source, target in
      Double(rows[pair(from: source, to: target % groupSize)]) * shape.rowByteCount
    }
  }

  /// What ranks tell each other before the rows: a header of 24 bytes, 4 for each expert, 16 for each assignment.
  func manifestLoad(on cluster: SimulatedCluster) -> ExchangeLoad {
    ExchangeLoad(self, on: cluster) { source, target in
      let place = pair(from: source, to: target % groupSize)
      return 24 + 4 * Double(placement.experts(of: Rank(target % groupSize)).count) + 16 * Double(assignments[place])
    }
  }
}
