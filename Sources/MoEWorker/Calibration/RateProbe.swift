import Communication
import Kernels
import Planning
import Tensors
import Topology

/// Measures what one thread computes and copies while all threads of all ranks do the same.
struct RateProbe {
  static let rowCounts = [16, 32, 64, 128, 256, 512]

  private let world: any Communicator
  private let workers: WorkerPool
  private let rows: Tensor
  /// Several, taken in turn: an expert's weights are not in the nearest cache when its rows come.
  private let weights: [Tensor]
  private let source, target: [Tensor]

  /// Hidden and intermediate size of a small expert.
  private static let (depth, columns) = (512, 1024)
  /// Rows that a thread multiplies in a sample at least: about 2.5 ms on a fast core.
  private static let rowsPerSample = 512
  private static let copiedRows = 2048
  private static let mostSamples = 5
  /// For each row count: what keeps the whole under a second on a slow machine.
  private static let budget = Duration.milliseconds(25)

  init(over world: any Communicator, _ workers: WorkerPool) {
    self.world = world
    self.workers = workers
    let make = { (rows: Int, columns: Int) in
      let tensor = Tensor(zeros: Shape(rows: rows, columns: columns))
      tensor.fill(0.25)
      return tensor
    }
    rows = make(Self.rowCounts.max() ?? 1, Self.depth)
    weights = (0..<8).map { _ in make(Self.columns, Self.depth) }
    source = (0..<workers.threadCount).map { _ in make(Self.copiedRows, Self.depth) }
    target = (0..<workers.threadCount).map { _ in make(Self.copiedRows, Self.depth) }
  }

  /// Rows of the products that other things are measured beside: half a millisecond on a fast core.
  private static let usualRows = 64

  func measure() throws -> RateMeasurement {
    RateMeasurement(
      flopsPerSecond: try Self.rowCounts.map(flopsPerSecond), copyBytesPerSecond: try copyBytesPerSecond())
  }

  /// How many times faster rank 0 computes while all others wait; only rank 0 has the number.
  func soloSpeedup() throws -> Double {
    let clock = ContinuousClock()
    let count = Self.rowsPerSample / Self.usualRows
    let samples = try (0..<Self.mostSamples).map { _ in
      let together = try Stopwatch.slowest(over: world) { multiply(rowCount: Self.usualRows, count: count) }
      try world.barrier()
      let alone = world.rank == Rank(0) ? clock.measure { multiply(rowCount: Self.usualRows, count: count) } : .zero
      try world.barrier()
      return together / max(alone / .seconds(1), 1e-9)
    }
    return max(1, Stopwatch.median(samples))
  }

  /// Products of every thread, one after another.
  func compute(count: Int) { multiply(rowCount: Self.usualRows, count: count) }

  private func flopsPerSecond(rowCount: Int) throws -> Double {
    let count = max(1, Self.rowsPerSample / rowCount)
    let seconds = try medianSeconds { multiply(rowCount: rowCount, count: count) }
    return 2 * Double(count * rowCount) * Double(Self.depth) * Double(Self.columns) / seconds
  }

  /// x · Wᵀ on weights as they lie, as in an expert's forward pass, `count` times on each thread.
  private func multiply(rowCount: Int, count: Int) {
    let left = Matrix(rows[rows: 0..<rowCount])
    workers.run(workers.threadCount * count) { task, lane in
      let product = lane.scratchTensor(rowCount, Self.columns)
      lane.multiply(left, Matrix(weights[task % weights.count]).transposed, into: Matrix(product))
    }
  }

  /// Rows in another order, as dispatch and combine move them; bytes read and bytes written both count.
  private func copyBytesPerSecond() throws -> Double {
    let seconds = try medianSeconds {
      workers.run(workers.threadCount) { thread, _ in
        for row in 0..<Self.copiedRows {
          // 1021 is odd, so that every row is taken once.
          let from = row * 1021 % Self.copiedRows
          target[thread][rows: row..<row + 1].copy(from: source[thread][rows: from..<from + 1])
        }
      }
    }
    return 2 * Double(Self.copiedRows * Self.depth * MemoryLayout<Float>.stride) / seconds
  }

  /// Begins on all ranks at once; the first run, which prepares multiplications, does not count.
  private func medianSeconds(_ body: () -> Void) throws -> Double {
    try world.barrier()
    body()
    let clock = ContinuousClock()
    let start = clock.now
    var samples: [Double] = []
    repeat {
      samples.append(clock.measure(body) / .seconds(1))
    } while samples.count < Self.mostSamples && clock.now - start < Self.budget
    return max(Stopwatch.median(samples), 1e-9)
  }
}
