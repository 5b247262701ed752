extension MachineModel {
  /// Why the numbers cannot be a machine's; nil if they can. What came from a file is asked this before it is used.
  ///
  /// The bounds are far outside of what exists, and close enough that no sum or quotient of such numbers overflows.
  package var defect: String? {
    Self.defect("inside a host", sameHost) ?? Self.defect("between hosts", otherHost)
      ?? Self.defect("bytes copied per second", copyBytesPerSecond, in: 1...1e15)
      ?? Self.defect("speed of a rank alone", soloSpeedup, in: 1...1e6) ?? matmul.defect
  }

  private static func defect(_ place: String, _ link: LinkCost) -> String? {
    defect("latency \(place)", link.latencySeconds, in: 0...10)
      ?? defect("time of a message \(place)", link.messageSeconds, in: 0...10)
      ?? defect("time of a byte \(place)", link.byteSeconds, in: 0...1)
      ?? defect("bytes per second \(place)", link.bytesPerSecond, in: 1...1e15)
  }

  fileprivate static func defect(_ name: String, _ value: Double, in range: ClosedRange<Double>) -> String? {
    range.contains(value) ? nil : "\(name): \(value), not from \(range.lowerBound) to \(range.upperBound)"
  }
}

extension MatmulRate {
  private static let mostPoints = 1024
  private static let mostRows = 1 << 30

  fileprivate var defect: String? {
    guard !points.isEmpty, points.count <= Self.mostPoints else { return "\(points.count) matmul rates" }
    guard points.allSatisfy({ (1...Self.mostRows).contains($0.rows) }),
      zip(points, points.dropFirst()).allSatisfy({ $0.rows < $1.rows })
    else { return "row counts of matmul rates that do not grow from 1" }
    return points.lazy.compactMap {
      MachineModel.defect("matmul rate of \($0.rows) rows", $0.flopsPerSecond, in: 1...1e18)
    }.first
  }
}
