import Communication
import Kernels

/// How fast a machine can multiply matrices at most: what other measurements are a share of.
struct MatmulCeiling {
  /// Median time of one multiplication on one thread while all threads work.
  let milliseconds: Double
  /// Of all threads of all ranks together.
  let gigaflops: Double

  /// Rows, depth, columns: up and down projections of an expert with 512 rows, and a large one.
  static let shapes = [(512, 512, 2048), (512, 2048, 512), (2048, 1024, 4096)]

  /// Measures with every thread of every rank at once.
  init(
    _ shape: (rows: Int, depth: Int, columns: Int), repeats: Int, over world: any Communicator, _ workers: WorkerPool
  ) throws {
    let probe = MatmulProbe(rows: shape.rows, depth: shape.depth, columns: shape.columns)
    // Some 5 ms a thread: long enough for the clock, short enough that a neighbour spoils few of them.
    let countPerThread = max(1, Int(1e9 / probe.flops))
    let count = countPerThread * workers.threadCount
    probe.multiply(count, workers: workers)
    let seconds = try Stopwatch.median(of: repeats, over: world) { probe.multiply(count, workers: workers) }
    milliseconds = seconds / Double(countPerThread) * 1e3
    gigaflops = probe.flops * Double(count * world.size) / seconds / 1e9
  }

  /// The most that any of the shapes reaches, in GFLOP/s.
  static func best(repeats: Int, over world: any Communicator, _ workers: WorkerPool) throws -> Double {
    try shapes.map { try MatmulCeiling($0, repeats: repeats, over: world, workers).gigaflops }.max() ?? 0
  }
}
