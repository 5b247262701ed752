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
  /// Several, taken in turn: an expert's weights are not in the nearest cache when its rows come.
  private let weights: [Tensor]
  /// Of each thread, more than its nearest caches hold, as in a layer: rows are read once and their products written once.
  private let source, target, products: [Tensor]

  /// Hidden and intermediate size of a small expert.
  private static let (depth, columns) = (512, 1024)
  /// Rows that a thread multiplies in a sample: about 4 ms on a fast core.
  private static let rowsPerSample = 512
  private static let flopsPerSample = 2 * Double(rowsPerSample * depth * columns)
  private static let rowsPerThread = 2048
  /// Rows of the products that other things are measured beside: half a millisecond on a fast core.
  private static let usualRows = 64
  /// Rows of the products that tell a processor's speed of the moment.
  static let presentRows = 256
  private static let (leastRounds, mostRounds) = (3, 9)
  /// For all rounds: what keeps the whole under a second on a slow machine.
  private static let budget = Duration.milliseconds(250)

  init(over world: any Communicator, _ workers: WorkerPool) {
    self.world = world
    self.workers = workers
    let make = { (rows: Int, columns: Int) in
      let tensor = Tensor(zeros: Shape(rows: rows, columns: columns))
      tensor.fill(0.25)
      return tensor
    }
    weights = (0..<8).map { _ in make(Self.columns, Self.depth) }
    source = (0..<workers.threadCount).map { _ in make(Self.rowsPerThread, Self.depth) }
    target = (0..<workers.threadCount).map { _ in make(Self.rowsPerThread, Self.depth) }
    products = (0..<workers.threadCount).map { _ in make(Self.rowsPerThread, Self.columns) }
  }

  /// Medians over rounds in which everything is measured once: a neighbour that disturbs for a while disturbs all alike.
  func measure() throws -> RateMeasurement {
    let clock = ContinuousClock()
    func round() -> [Double] {
      Self.rowCounts.map { rows in
        clock.measure { multiply(rowCount: rows, count: Self.rowsPerSample / rows) } / .seconds(1)
      }
        + [clock.measure(copy) / .seconds(1)]
    }
    try world.barrier()
    // Prepares multiplications and does not count.
    _ = round()
    let start = clock.now
    var rounds: [[Double]] = []
    repeat {
      rounds.append(round())
    } while rounds.count < Self.leastRounds || rounds.count < Self.mostRounds && clock.now - start < Self.budget
    let seconds = (0...Self.rowCounts.count).map { place in max(Stopwatch.median(rounds.map { $0[place] }), 1e-9) }
    let bytes = 2 * Double(Self.rowsPerThread * Self.depth * MemoryLayout<Float>.stride)
    return RateMeasurement(
      flopsPerSecond: seconds.dropLast().map { Self.flopsPerSample / $0 },
      copyBytesPerSecond: bytes / seconds[Self.rowCounts.count])
  }

  /// What one thread of the slowest host computes at this moment, in products of `presentRows` rows: a sample of some 4 ms.
  func presentFlopsPerSecond(_ hosts: HostMap) throws -> Double {
    try world.barrier()
    let seconds = ContinuousClock().measure {
      multiply(rowCount: Self.presentRows, count: Self.rowsPerSample / Self.presentRows)
    }
    let all = try world.allGather(Self.flopsPerSample / max(seconds / .seconds(1), 1e-9))
    return RateMeasurement.slowestHost(all, hosts: hosts)
  }

  /// How many times faster rank 0 computes while all others wait; only rank 0 has the number.
  func soloSpeedup() throws -> Double {
    let clock = ContinuousClock()
    let count = Self.rowsPerSample / Self.usualRows
    let samples = try (0..<Self.mostRounds).map { _ in
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

  /// x · Wᵀ on weights as they lie, as in an expert's forward pass, `count` times on each thread.
  private func multiply(rowCount: Int, count: Int) {
    workers.run(workers.threadCount * count) { task, lane in
      let (thread, start) = (task / count, task % count * rowCount % Self.rowsPerThread)
      let rows = start..<start + rowCount
      lane.multiply(
        Matrix(source[thread][rows: rows]), Matrix(weights[task % weights.count]).transposed,
        into: Matrix(products[thread][rows: rows]))
    }
  }

  /// Rows in another order, as dispatch and combine move them; bytes read and bytes written both count.
  private func copy() {
    workers.run(workers.threadCount) { thread, _ in
      for row in 0..<Self.rowsPerThread {
        // 1021 is odd, so that every row is taken once.
        let from = row * 1021 % Self.rowsPerThread
        target[thread][rows: row..<row + 1].copy(from: source[thread][rows: from..<from + 1])
      }
    }
  }
}
