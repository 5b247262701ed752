import ArgumentParser
import Communication
import ExpertParallel
import Kernels
import Topology

/// `bench layer`: one MoE layer on random tokens.
struct BenchLayer: WorkerCommand {
  static let configuration = CommandConfiguration(
    commandName: "layer",
    abstract: "One MoE layer: router, dispatch, experts, combine, and their backward.",
    discussion: """
      gflops counts the experts' matmuls of all ranks: 2 · tokens · experts per token · matrices · hidden · intermediate, \
      three times that for a training pass. ceiling_share is that over the matmul ceiling, measured in turn with it.
      """)

  @OptionGroup var run: RunOptions
  @OptionGroup var results: ResultOptions

  @Option(help: "Tokens over all ranks.", transform: Parse.positive)
  var tokens = 2048

  @Option(help: "Width of a token.", transform: Parse.positive)
  var hiddenSize = 512

  @Option(help: "Width inside an expert.", transform: Parse.positive)
  var intermediateSize = 1792

  @Option(help: "Experts of the layer.", transform: Parse.positive)
  var experts = 8

  @Option(help: "Experts that each token goes to.", transform: Parse.positive)
  var expertsPerToken = 2

  @Option(help: "Of the experts: swiglu or gelu (the exact form, with erf).")
  var activation = ActivationName.swiglu

  @Option(help: "forward or train (forward and backward).")
  var mode = LayerBenchmark.Mode.train

  @Option(
    name: .customLong("repeat"), help: "How often the layer is run; the median counts.", transform: Parse.positive)
  var repeats = 15

  @Flag(help: "Compare outputs and gradients of some tokens with a naive reference first.")
  var verify = false

  func validate() throws {
    guard expertsPerToken <= experts else {
      throw ValidationError("--experts-per-token \(expertsPerToken) is more than --experts \(experts)")
    }
  }

  func run(on worker: Worker) throws {
    let shape = LayerBenchmark.Shape(
      tokenCount: tokens, hiddenSize: hiddenSize, intermediateSize: intermediateSize, expertCount: experts,
      expertsPerToken: expertsPerToken, activation: activation.activation)
    let workers = try run.start(worker)
    try worker.requireMemory(bytes: shape.leastByteCount(rankCount: worker.world.size), for: "tokens and weights")
    let layer = LayerBenchmark(shape, over: worker.world, workers: workers)
    let difference = verify ? try verifiedDifference(layer, worker) : nil
    let measured = try LayerMeasurement(layer, mode, repeats: repeats, over: worker.world, workers)
    var line = JSONLine([
      "benchmark": .text("layer"), "mode": .text(mode.rawValue), "activation": .text(activation.rawValue),
      "dtype": .text("f32"), "threads": .integer(workers.threadCount), "ranks": .integer(worker.world.size),
      "milliseconds": .real(measured.milliseconds), "gflops": .real(measured.gigaflops, digits: 4),
      "ceiling_gflops": .real(measured.ceiling, digits: 4),
      "ceiling_share": .real(measured.gigaflops / measured.ceiling, digits: 3),
      "exchange_milliseconds": .real(measured.exchangeMilliseconds, digits: 4),
      "exposed_exchange_milliseconds": .real(measured.exposedMilliseconds, digits: 4), "tokens": .integer(tokens),
      "hidden_size": .integer(hiddenSize), "intermediate_size": .integer(intermediateSize),
      "experts": .integer(experts), "experts_per_token": .integer(expertsPerToken),
    ])
    if let difference { line.append("largest_difference", .real(difference, digits: 3)) }
    try results.write(line, worker)
  }

  /// The largest difference from the reference on any rank; more than rounding is a mistake of the program.
  private func verifiedDifference(_ layer: LayerBenchmark, _ worker: Worker) throws -> Double {
    let difference = try worker.world.allGather(layer.verify()).max() ?? 0
    guard difference <= Self.tolerance else {
      throw Refusal(
        .internalError,
        "the layer differs from the naive reference by \(difference) of the largest value; please report it"
      )
    }
    return difference
  }

  /// f32 sums of some thousand products, compared with f64 ones.
  private static let tolerance = 1e-4
}

/// A layer and the matmul ceiling, measured in turn: the machine's speed drifts.
private struct LayerMeasurement {
  let milliseconds: Double
  let gigaflops: Double
  /// GFLOP/s.
  let ceiling: Double
  /// The slowest rank's, in the median pass.
  let exchangeMilliseconds: Double
  let exposedMilliseconds: Double

  init(
    _ layer: LayerBenchmark, _ mode: LayerBenchmark.Mode, repeats: Int, over world: any Communicator,
    _ workers: WorkerPool
  ) throws {
    let ceiling = try MatmulCeiling.highest(over: world, workers)
    try layer.run(mode)
    var passes: [Double] = []
    var ceilings: [Double] = []
    var exchanges: [Double] = []
    var exposures: [Double] = []
    for _ in 0..<repeats {
      layer.runtime.timings = ExchangeTimings()
      passes.append(try Stopwatch.slowest(over: world) { try layer.run(mode) })
      exchanges.append(try world.allGather(layer.runtime.timings.exchange.milliseconds).max() ?? 0)
      exposures.append(try world.allGather(layer.runtime.timings.exposed.milliseconds).max() ?? 0)
      ceilings.append(ceiling.gigaflops(seconds: try ceiling.seconds()))
    }
    let seconds = Stopwatch.median(passes)
    milliseconds = seconds * 1e3
    gigaflops = layer.shape.flops(mode) / seconds / 1e9
    self.ceiling = Stopwatch.median(ceilings)
    exchangeMilliseconds = Stopwatch.median(exchanges)
    exposedMilliseconds = Stopwatch.median(exposures)
  }
}

/// The experts' activation in the flag's spelling.
enum ActivationName: String, ExpressibleByArgument, CaseIterable {
  case swiglu, gelu

  var activation: ExpertActivation { self == .swiglu ? .swiGLU : .gelu }
}

extension LayerBenchmark.Mode: ExpressibleByArgument {}

extension LayerBenchmark.Shape {
  /// Tokens, weights and their gradients on one rank, in f32; products of the flags are counted without overflow.
  func leastByteCount(rankCount: Int) -> Int {
    let perExpert = Double(activation.inputMatrixCount + 1) * Double(hiddenSize) * Double(intermediateSize)
    let weights = 2 * perExpert * Double(expertCount) / Double(rankCount)
    let rows = Double(4 + expertsPerToken) * Double(tokenCount) / Double(rankCount) * Double(hiddenSize)
    return Int(min(4 * (weights + rows), 0x1p60))
  }
}
