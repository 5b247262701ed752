import Communication
import Kernels

/// How fast a machine can multiply matrices at most, all threads of all ranks at once: what other measurements are a
/// share of.
struct MatmulCeiling {
  let probe: MatmulProbe
  private let countPerThread: Int
  private let world: any Communicator
  private let workers: WorkerPool

  /// Rows, depth, columns: up and down projections of an expert with 512 rows, and a large one.
  static let shapes = [(512, 512, 2048), (512, 2048, 512), (2048, 1024, 4096)]

  /// Prepares a shape and multiplies once, so that nothing is made or mapped while it is measured.
  init(_ shape: (rows: Int, depth: Int, columns: Int), over world: any Communicator, _ workers: WorkerPool) throws {
    probe = MatmulProbe(rows: shape.rows, depth: shape.depth, columns: shape.columns)
    // Some 5 ms a thread: long enough for the clock, short enough that a neighbour spoils few of them.
    countPerThread = max(1, Int(1e9 / probe.flops))
    self.world = world
    self.workers = workers
    _ = try seconds()
  }

  /// The shape that reaches most in a few tries.
  static func highest(over world: any Communicator, _ workers: WorkerPool) throws -> MatmulCeiling {
    let candidates = try shapes.map { shape in
      let ceiling = try MatmulCeiling(shape, over: world, workers)
      return (ceiling, gigaflops: try (0..<3).map { _ in ceiling.gigaflops(seconds: try ceiling.seconds()) }.max() ?? 0)
    }
    return candidates.max { $0.gigaflops < $1.gigaflops }?.0 ?? candidates[0].0
  }

  /// The slowest rank's time for its threads' multiplications.
  func seconds() throws -> Double {
    try Stopwatch.slowest(over: world) { probe.multiply(countPerThread * workers.threadCount, workers: workers) }
  }

  /// Of all threads of all ranks together.
  func gigaflops(seconds: Double) -> Double {
    probe.flops * Double(countPerThread * workers.threadCount * world.size) / seconds / 1e9
  }

  /// The time of one multiplication on one thread.
  func milliseconds(seconds: Double) -> Double { seconds / Double(countPerThread) * 1e3 }
}
