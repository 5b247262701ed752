package import Topology

/// What two ranks are to each other, as far as messages between them are concerned.
package enum LinkClass: String, Hashable, Sendable, CaseIterable {
  case sameHost, otherHost
}

/// Who sends to whom while links are measured: in each round all ranks of a class send at once, so that what they share
/// is shared as in an exchange.
///
/// Rounds are shifts. Inside a host, the rank at place i sends to place i + d; between hosts, the rank at place i of host h
/// to place i of host h + d, both modulo what there is. So any number of ranks works, and where hosts have equally many,
/// every rank sends to one and receives from one.
package struct LinkProbePlan: Hashable, Sendable {
  package struct Round: Hashable, Sendable {
    package let target: Int?
    package let sources: [Int]
  }

  /// What one rank does in each round; empty when no two ranks of the job are of the class.
  package let rounds: [Round]

  /// Enough shifts that slow parts of a network are crossed as well.
  private static let mostRounds = 4

  package init(_ link: LinkClass, hosts: HostMap, rank: Int) {
    let extent = link == .sameHost ? hosts.mostRanksOfHost : hosts.hostCount
    rounds = Self.distances(below: extent).map { distance in
      let targets = (0..<hosts.rankCount).map { Self.target(link, hosts, of: $0, distance: distance) }
      return Round(target: targets[rank], sources: targets.indices.filter { targets[$0] == rank })
    }
  }

  /// Up to `mostRounds` of the distances 1 ..< extent, from the first to the last.
  private static func distances(below extent: Int) -> [Int] {
    let count = min(extent - 1, mostRounds)
    guard count > 1 else { return count == 1 ? [1] : [] }
    return (0..<count).map { 1 + $0 * (extent - 2) / (count - 1) }
  }

  private static func target(_ link: LinkClass, _ hosts: HostMap, of rank: Int, distance: Int) -> Int? {
    let host = Int(hosts.hostOfRank[rank])
    let own = hosts.ranksOfHost[host]
    guard let place = own.firstIndex(of: rank) else { return nil }
    let others = link == .sameHost ? own : hosts.ranksOfHost[(host + distance) % hosts.hostCount]
    let target = others[(link == .sameHost ? place + distance : place) % others.count]
    return target == rank ? nil : target
  }
}
