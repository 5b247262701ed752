/// What a machine was measured to do: the numbers from which step times are predicted and choices are made.
///
/// The same on all ranks, because it is broadcast before anything is decided from it.
package struct MachineModel: Hashable, Sendable, Codable {
  /// Between ranks of one host.
  package var sameHost: LinkCost
  /// Between hosts: one rank's share of what its host's link carries each way.
  package var otherHost: LinkCost
  /// One thread's matrix products.
  package var matmul: MatmulRate
  /// Bytes read and written per second by one thread that copies rows.
  package var copyBytesPerSecond: Double
  /// How many times faster a rank computes than above while all others wait: 1 where every thread has a core of its own,
  /// more where ranks share cores.
  package var soloSpeedup: Double

  package init(
    sameHost: LinkCost, otherHost: LinkCost, matmul: MatmulRate, copyBytesPerSecond: Double, soloSpeedup: Double = 1
  ) {
    self.sameHost = sameHost
    self.otherHost = otherHost
    self.matmul = matmul
    self.copyBytesPerSecond = copyBytesPerSecond
    self.soloSpeedup = soloSpeedup
  }

  /// How long ranks compute that have work of so many seconds at the rates of all ranks busy: as long as all of it takes
  /// all of their cores, and as the busiest rank takes alone.
  package func makespan(_ seconds: [Double]) -> Double {
    guard !seconds.isEmpty else { return 0 }
    return max(seconds.reduce(0, +) / Double(seconds.count), (seconds.max() ?? 0) / soloSpeedup)
  }
}

/// The time of a message: latency + bytes / bandwidth (Hockney's α–β model), and what it costs the processor at each end
/// whatever its length (the o of LogP, Culler et al. 1993).
package struct LinkCost: Hashable, Sendable, Codable {
  package var latencySeconds: Double
  package var bytesPerSecond: Double
  /// Of the processor that sends or receives.
  package var messageSeconds: Double
  /// Of the processor at each end, for every byte: what TCP takes from a rank that computes meanwhile. 0 where the
  /// bandwidth is that of the processor's own copy.
  package var byteSeconds: Double

  package init(
    latencySeconds: Double, bytesPerSecond: Double, messageSeconds: Double = 0, byteSeconds: Double = 0
  ) {
    self.latencySeconds = latencySeconds
    self.bytesPerSecond = bytesPerSecond
    self.messageSeconds = messageSeconds
    self.byteSeconds = byteSeconds
  }

  /// Of the processor at one end, for a message.
  package func processorSeconds(bytes: Double) -> Double { messageSeconds + bytes * byteSeconds }

  package func seconds(bytes: Double) -> Double { latencySeconds + bytes / bytesPerSecond }
}

/// Floating-point operations per second of one thread, by how many rows a product has.
package struct MatmulRate: Hashable, Sendable, Codable {
  package struct Point: Hashable, Sendable, Codable {
    package var rows: Int
    package var flopsPerSecond: Double

    package init(rows: Int, flopsPerSecond: Double) {
      self.rows = rows
      self.flopsPerSecond = flopsPerSecond
    }
  }

  /// At least one, in order of rows.
  package private(set) var points: [Point]

  /// - Precondition: there is a point, and rows grow.
  package init(points: [Point]) {
    precondition(!points.isEmpty, "a rate without a measurement")
    precondition(zip(points, points.dropFirst()).allSatisfy { $0.rows < $1.rows }, "row counts that do not grow")
    self.points = points
  }

  /// The rate for a number of rows: between measured points the time per row is interpolated over the logarithm of the
  /// rows; outside of them the nearest point counts.
  package func flopsPerSecond(rows: Int) -> Double {
    guard let upper = points.firstIndex(where: { $0.rows >= rows }) else {
      return points[points.count - 1].flopsPerSecond
    }
    guard upper > 0 else { return points[0].flopsPerSecond }
    let (a, b) = (points[upper - 1], points[upper])
    let share = (logarithm(rows) - logarithm(a.rows)) / (logarithm(b.rows) - logarithm(a.rows))
    return 1 / ((1 - share) / a.flopsPerSecond + share / b.flopsPerSecond)
  }

  /// The best rate of any number of rows up to this one.
  package func bestFlopsPerSecond(upTo rows: Int) -> Double {
    points.reduce(flopsPerSecond(rows: rows)) { $1.rows <= rows ? max($0, $1.flopsPerSecond) : $0 }
  }

  package func scaled(by factor: Double) -> MatmulRate {
    MatmulRate(points: points.map { Point(rows: $0.rows, flopsPerSecond: factor * $0.flopsPerSecond) })
  }

  /// The best rate of all.
  package var highest: Double { points.map(\.flopsPerSecond).max() ?? 0 }

  /// log₂, piecewise linear between powers of two: enough to interpolate by, and the same bits everywhere.
  private func logarithm(_ rows: Int) -> Double {
    let exponent = Int.bitWidth - 1 - max(rows, 1).leadingZeroBitCount
    return Double(exponent) + Double(rows) / Double(1 << exponent) - 1
  }
}
