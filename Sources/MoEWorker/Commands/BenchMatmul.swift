import ArgumentParser
import Communication
import Kernels

/// `bench matmul`: how fast this machine multiplies matrices, the bound of everything else.
struct BenchMatmul: WorkerCommand {
  static let configuration = CommandConfiguration(
    commandName: "matmul",
    abstract: "The machine's matmul ceiling: f32, all threads of all ranks at once, each on matrices of its own.")

  @OptionGroup var run: RunOptions
  @OptionGroup var results: ResultOptions

  @Option(
    name: .customLong("repeat"), help: "How often each shape is measured; the median counts.", transform: Parse.positive
  )
  var repeats = 15

  func run(on worker: Worker) throws {
    let workers = try run.start(worker)
    for shape in MatmulCeiling.shapes {
      let ceiling = try MatmulCeiling(shape, over: worker.world, workers)
      let seconds = Stopwatch.median(try (0..<repeats).map { _ in try ceiling.seconds() })
      try results.write(
        JSONLine([
          "benchmark": .text("matmul"), "shape": .text("\(shape.0)x\(shape.1)x\(shape.2)"), "dtype": .text("f32"),
          "threads": .integer(workers.threadCount), "ranks": .integer(worker.world.size),
          "milliseconds": .real(ceiling.milliseconds(seconds: seconds)),
          "gflops": .real(ceiling.gigaflops(seconds: seconds), digits: 4),
        ]), worker)
    }
  }
}
