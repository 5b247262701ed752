import Communication
import Kernels
import Planning
import Tensors

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

  func measure() throws -> RateMeasurement {
    RateMeasurement(
      flopsPerSecond: try Self.rowCounts.map(flopsPerSecond), copyBytesPerSecond: try copyBytesPerSecond())
  }

  /// x · Wᵀ on weights as they lie, as in an expert's forward pass.
  private func flopsPerSecond(rowCount: Int) throws -> Double {
    let count = max(1, Self.rowsPerSample / rowCount)
    let left = Matrix(rows[rows: 0..<rowCount])
    let seconds = try medianSeconds {
      workers.run(workers.threadCount * count) { task, lane in
        let product = lane.scratchTensor(rowCount, Self.columns)
        lane.multiply(left, Matrix(weights[task % weights.count]).transposed, into: Matrix(product))
      }
    }
    return 2 * Double(count * rowCount) * Double(Self.depth) * Double(Self.columns) / seconds
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
