package import Topology

/// What one rank measured of its own processor.
package struct RateMeasurement: Hashable, Sendable, Codable {
  /// In the order of the row counts that were measured.
  package var flopsPerSecond: [Double]
  package var copyBytesPerSecond: Double

  package init(flopsPerSecond: [Double], copyBytesPerSecond: Double) {
    self.flopsPerSecond = flopsPerSecond
    self.copyBytesPerSecond = copyBytesPerSecond
  }

  /// One measurement for all, by `slowestHost`: what differs within a host is noise, and an exchange ends when the last
  /// rank is done.
  ///
  /// - Parameter all: one per rank, in order, of the same row counts.
  package init(agreeing all: [RateMeasurement], hosts: HostMap) {
    precondition(all.count == hosts.rankCount, "\(all.count) measurements of \(hosts.rankCount) ranks")
    let slowest = { (value: (RateMeasurement) -> Double) in Self.slowestHost(all.map(value), hosts: hosts) }
    flopsPerSecond = (0..<(all.map(\.flopsPerSecond.count).min() ?? 0)).map { point in
      slowest { $0.flopsPerSecond[point] }
    }
    copyBytesPerSecond = slowest(\.copyBytesPerSecond)
  }

  /// One rate for all: the median of each host's ranks, of the slowest host.
  ///
  /// - Parameter rates: one per rank, in order.
  package static func slowestHost(_ rates: [Double], hosts: HostMap) -> Double {
    hosts.ranksOfHost.map { ranks in median(ranks.map { rates[$0] }) }.min() ?? 0
  }

  /// The lower of two middle values: a value that was measured.
  private static func median(_ values: [Double]) -> Double { values.sorted()[(values.count - 1) / 2] }
}
