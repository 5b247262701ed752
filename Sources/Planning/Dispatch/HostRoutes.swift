package import Topology

/// Which ranks pass messages on in a two-level exchange, in which one message at a time joins two hosts:
///
///     rank ──▶ relay of its host ══▶ relay of the other host ──▶ rank
///
/// Every two hosts have one relay each, the same in both directions; the pairs are dealt out over the ranks of a host.
package struct HostRoutes: Hashable, Sendable {
  /// Of the ranks of the expert-parallel group.
  package let hosts: HostMap
  package let own: Rank

  package init(_ hosts: HostMap, own: Rank) {
    self.hosts = hosts
    self.own = own
  }

  package var ownHost: Int { Int(hosts.hostOfRank[own.index]) }
  package var otherHosts: [Int] { (0..<hosts.hostCount).filter { $0 != ownHost } }
  /// The ranks of this host, this one included.
  package var neighbours: [Int] { members(of: ownHost) }

  package func members(of host: Int) -> [Int] { hosts.ranksOfHost[host] }
  package func isOnOtherHost(_ rank: Int) -> Bool { !hosts.shareHost(rank, own.index) }

  /// The rank of a host through which its messages to and from another host pass.
  package func relay(on host: Int, for other: Int) -> Rank {
    let members = members(of: host)
    return Rank(members[(host + other) % members.count])
  }

  /// Whether this rank passes on what its host and another one send each other.
  package func isRelay(for other: Int) -> Bool { relay(on: ownHost, for: other) == own }
}

/// What two ranks send each other in an exchange, as far as those need to know it that pass it on.
package struct PairCounts: Hashable, Sendable {
  package let rows: Int
  package let returnRows: Int
  package let assignments: Int
}

/// The counts of pairs of ranks, first the one whose tokens they are, then the one whose experts they need.
package struct RelayCounts: Sendable {
  private struct Pair: Hashable {
    let source: Int
    let target: Int
  }

  private var counts: [Pair: PairCounts] = [:]

  package init() {}

  package subscript(source: Int, target: Int) -> PairCounts {
    get {
      guard let counts = counts[Pair(source: source, target: target)] else {
        preconditionFailure("nothing is known of rank \(source)'s rows for rank \(target)")
      }
      return counts
    }
    set { counts[Pair(source: source, target: target)] = newValue }
  }
}
