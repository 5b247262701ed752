import Communication
import Tensors

/// Measures what all ranks do together.
enum Stopwatch {
  /// The median over repeats of the slowest rank's time, in seconds. Every rank gets the same number.
  static func median(of repeats: Int, over world: any Communicator, _ body: () throws -> Void) throws -> Double {
    let slowest = try (0..<repeats).map { _ in
      try world.barrier()
      let start = ContinuousClock.now
      try body()
      return try world.allGatherBytes(Array(String(start.duration(to: .now) / .seconds(1)).utf8))
        .compactMap { Double(String(decoding: $0, as: UTF8.self)) }.max() ?? 0
    }
    return median(slowest)
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
