package import Topology

/// The machines that a simulation runs on, all alike.
package struct SimulatedCluster: Hashable, Sendable {
  package let hosts: HostMap
  /// What the link of a host carries each way, for all of its ranks together; infinite for no limit.
  package let linkBytesPerSecond: Double
  package let machine: MachineModel

  package init(hosts: HostMap, linkBytesPerSecond: Double, machine: MachineModel) {
    precondition(linkBytesPerSecond > 0, "a link of \(linkBytesPerSecond) bytes per second")
    self.hosts = hosts
    self.linkBytesPerSecond = linkBytesPerSecond
    self.machine = machine
  }
}

/// The links of all hosts: each carries one message after another, out and in, at its rate.
///
/// A message begins to arrive a latency after it began to leave, so both links work on it at the same time; where the link
/// into a host is busy, messages wait in the network and not in the link that they came from.
struct HostLinks {
  private let latency: Double
  private let secondsPerByte: Double
  private let hostOfRank: [Int32]
  /// When each host's link is free again. [hosts]
  private var outFree, inFree: [Double]

  init(_ cluster: SimulatedCluster) {
    latency = cluster.machine.otherHost.latencySeconds
    secondsPerByte = 1 / cluster.linkBytesPerSecond
    hostOfRank = cluster.hosts.hostOfRank
    outFree = Array(repeating: 0, count: cluster.hosts.hostCount)
    inFree = outFree
  }

  /// A message leaves a rank's host; returns when its first byte is at the other host.
  mutating func leave(_ rank: Int, byteCount: Double, at time: Double) -> Double {
    let host = Int(hostOfRank[rank])
    let start = max(time, outFree[host])
    outFree[host] = start + byteCount * secondsPerByte
    return start + latency
  }

  /// Its first byte is there; returns when the last one is.
  mutating func enter(_ rank: Int, byteCount: Double, at time: Double) -> Double {
    let host = Int(hostOfRank[rank])
    inFree[host] = max(time, inFree[host]) + byteCount * secondsPerByte
    return inFree[host]
  }
}
