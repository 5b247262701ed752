import Communication

/// Measures what all ranks do together.
enum Stopwatch {
  /// The slowest rank's time, in seconds; every rank gets the same number.
  static func slowest(over world: any Communicator, _ body: () throws -> Void) throws -> Double {
    try world.barrier()
    let start = ContinuousClock.now
    try body()
    return try world.allGather(start.duration(to: .now) / .seconds(1)).max() ?? 0
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
