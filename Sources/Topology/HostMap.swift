/// Which ranks share a host.
package struct HostMap: Hashable, Sendable {
  /// Hosts are numbered in the order of their first ranks. [ranks]
  package let hostOfRank: [Int32]
  /// The ranks of each host, in order. [hosts]
  package let ranksOfHost: [[Int]]

  /// Ranks with equal names share a host.
  package init(names: [some Hashable]) {
    var numbers: [AnyHashable: Int32] = [:]
    var hosts: [Int32] = []
    var ranks: [[Int]] = []
    for (rank, name) in names.enumerated() {
      let host = numbers[AnyHashable(name)] ?? Int32(ranks.count)
      if host == ranks.count { ranks.append([]) }
      numbers[AnyHashable(name)] = host
      hosts.append(host)
      ranks[Int(host)].append(rank)
    }
    hostOfRank = hosts
    ranksOfHost = ranks
  }

  /// Consecutive ranks on each host, as evenly as they divide.
  ///
  /// - Precondition: there is a rank for every host.
  package init(rankCount: Int, hostCount: Int) {
    precondition(hostCount > 0 && hostCount <= rankCount, "\(rankCount) ranks on \(hostCount) hosts")
    let partition = BlockPartition(count: rankCount, parts: hostCount)
    hostOfRank = (0..<rankCount).map { Int32(partition.part(of: $0)) }
    ranksOfHost = (0..<hostCount).map { Array(partition.range(of: $0)) }
  }

  package var rankCount: Int { hostOfRank.count }
  package var hostCount: Int { ranksOfHost.count }
  package var mostRanksOfHost: Int { ranksOfHost.map(\.count).max() ?? 0 }

  package func shareHost(_ a: Int, _ b: Int) -> Bool { hostOfRank[a] == hostOfRank[b] }
}
