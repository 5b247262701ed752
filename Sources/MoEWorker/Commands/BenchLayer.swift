import ArgumentParser
import Communication
import ExpertParallel
import Kernels
import Planning
import Routing
import Tensors
import Topology

/// `bench layer`: one MoE layer on random tokens.
struct BenchLayer: WorkerCommand {
  static let configuration = CommandConfiguration(
    commandName: "layer",
    abstract: "One MoE layer: router, dispatch, experts, combine, and their backward.",
    discussion: """
      gflops counts the experts' matmuls of all ranks: 2 · tokens · experts per token · matrices · hidden · intermediate, \
      three times that for a training pass. ceiling_share is that over the matmul ceiling, measured in turn with it. \
      predicted_milliseconds follows from the calibration, its matmul rates scaled by samples taken in turn with the layer.
      """)

  @OptionGroup var run: RunOptions
  @OptionGroup var exchange: ExchangeFlags
  @OptionGroup var calibration: CalibrationOptions
  @OptionGroup var results: ResultOptions
  @OptionGroup(title: "The layer") var flags: LayerFlags
  @OptionGroup(title: "The layer") var topology: TopologyFlags

  @Option(
    name: .customLong("repeat"), help: "How often the layer is run; the median counts.", transform: Parse.positive)
  var repeats = 20

  @Option(
    help: ArgumentHelp("Rows that an expert takes of a rank's tokens, over an even share.", valueName: "f"),
    transform: Parse.positiveReal)
  var capacityFactor: Double?

  @Flag(help: "Every choice is computed; this is what happens without --capacity-factor.")
  var dropless = false

  @Option(
    help: ArgumentHelp("Write what every rank computes and sends as a trace for Perfetto.", valueName: "file"))
  var trace: String?

  @Flag(help: "Compare outputs and gradients of some tokens with a naive reference first.")
  var verify = false

  func validate() throws {
    if dropless && capacityFactor != nil {
      throw ValidationError("--dropless and --capacity-factor contradict each other")
    }
    if verify && (flags.skew > 0 || topology.topologyGate != nil) {
      throw ValidationError("--verify compares with the router's own choices: without --skew and --topology-gate")
    }
    if topology.topologyGate != nil && flags.skew > 0 {
      throw ValidationError("--skew gives the choices that --topology-gate would limit")
    }
  }

  func run(on worker: Worker) throws {
    let shape = LayerBenchmark.Shape(
      tokenCount: flags.tokens, hiddenSize: flags.hiddenSize, intermediateSize: flags.intermediateSize,
      expertCount: flags.experts, expertsPerToken: flags.expertsPerToken, activation: flags.activation.activation,
      skew: flags.skew,
      capacity: capacityFactor.map { .limited(factor: $0) } ?? .dropless)
    let workers = try run.start(worker)
    try worker.requireMemory(bytes: shape.leastByteCount(rankCount: worker.world.size), for: "tokens and weights")
    let traceFile = try trace.map { try TraceFile($0, worker) }
    if exchange.progress == .thread { worker.world.startProgressThread() }
    var layer = LayerBenchmark(shape, over: worker.world, workers: workers)
    let machine = try worker.machineModel(workers, calibration)
    let gate = topology.gate(layer.runtime, expertsPerToken: flags.expertsPerToken, machine, worker)
    layer.router = layer.router.limited(by: gate?.budget(tokenCount: layer.x.rows))
    var advisor = ExchangeAdvisor(
      machine: machine, hosts: worker.hostMap,
      topology: ParallelTopology(worldSize: worker.world.size, expertParallelSize: worker.world.size),
      threadCount: workers.threadCount, isTraining: flags.mode == .train)
    let described = ExchangeAdvisor.Layer(shape: flags.shape, skew: flags.skew)
    layer.runtime.use(advisor.options(exchange, for: described), on: worker.hostMap)
    let shadowing = advisor.shadowing(exchange, for: described.shape)
    layer.runtime.follow(shadowing)
    let difference = verify ? try verifiedDifference(layer, worker) : nil
    let measured = try LayerMeasurement(
      layer, flags.mode, repeats: repeats, over: worker.world, workers, hosts: worker.hostMap)
    advisor.machine = machine.computing(measured.flopsPerSecond)
    let predicted = advisor.seconds(layer.runtime.options, for: described, shadowing)
    var line = line(measured, layer, worker)
    line.append("predicted_milliseconds", .real(1e3 * predicted, digits: 4))
    line.append("rows_between_hosts", .integer(try rowsBetweenHosts(measured.exchange, worker)))
    if let difference { line.append("largest_difference", .real(difference, digits: 3)) }
    if let traceFile { try record(layer, in: traceFile, worker) }
    try results.write(line, worker)
  }

  /// Rows that a forward pass dispatches to other hosts, over all ranks.
  private func rowsBetweenHosts(_ exchange: ExchangePlan, _ worker: Worker) throws -> Int {
    let hosts = worker.hostMap.hostOfRank
    let own = worker.world.rank.index
    let leaving = worker.world.peers.filter { hosts[$0.index] != hosts[own] }
    let rows = leaving.reduce(0) { $0 + exchange.dispatch.rows(to: $1).count }
    return Int(try worker.world.sum(Int64(rows)))
  }

  /// One more pass, which is recorded.
  private func record(_ layer: LayerBenchmark, in file: TraceFile, _ worker: Worker) throws {
    layer.runtime.trace = file.recorder
    try worker.world.barrier()
    try layer.run(flags.mode)
    try file.write()
  }

  private func line(
    _ measured: LayerMeasurement, _ layer: LayerBenchmark, _ worker: Worker
  ) -> JSONLine {
    let gigaflops = layer.shape.flops(flags.mode) / measured.milliseconds / 1e6
    var line = JSONLine([
      "benchmark": .text("layer"), "schedule": .text(layer.runtime.options.policy.rawValue),
      "route": .text((layer.runtime.routes == nil ? ExchangeFlags.Route.direct : .twoLevel).rawValue),
      "chunk_rows": .integer(layer.runtime.options.chunkRows(width: flags.hiddenSize)),
      "mode": .text(flags.mode.rawValue), "activation": .text(flags.activation.rawValue),
      "ranks": .integer(worker.world.size),
      "hosts": .integer(worker.hostCount), "threads": .integer(layer.runtime.workers.threadCount),
      "dtype": .text("f32"), "milliseconds": .real(measured.milliseconds),
      "forward": phase(measured.forward), "backward": phase(measured.backward),
      "bound_milliseconds": .real(measured.boundMilliseconds),
      "sequential_milliseconds": .real(measured.sequentialMilliseconds),
      "overlap_efficiency": measured.overlapEfficiency.map { .real($0, digits: 3) } ?? .null,
      "exposed_exchange_milliseconds": .real(measured.exposedMilliseconds, digits: 4),
      "bytes_sent": .integer(measured.sentByteCount), "gflops": .real(gigaflops, digits: 4),
      "ceiling_gflops": .real(measured.ceiling, digits: 4),
      "ceiling_share": .real(gigaflops / measured.ceiling, digits: 3),
      "shadowed_experts": .integer(measured.shadowedExpertCount), "tasks": .integer(measured.taskCount),
      "pokes": .integer(measured.pokeCount),
    ])
    flags.describe(in: &line)
    return line
  }

  private func phase(_ phase: LayerMeasurement.Phase) -> JSONLine.Value {
    .object(
      JSONLine([
        "compute_milliseconds": .real(phase.compute, digits: 4),
        "exchange_milliseconds": .real(phase.exchange, digits: 4),
      ]))
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

extension LayerBenchmark.Shape {
  /// Tokens, weights and their gradients on one rank, in f32; products of the flags are counted without overflow.
  func leastByteCount(rankCount: Int) -> Int {
    let perExpert = Double(activation.inputMatrixCount + 1) * Double(hiddenSize) * Double(intermediateSize)
    let weights = 2 * perExpert * Double(expertCount) / Double(rankCount)
    let rows = Double(4 + expertsPerToken) * Double(tokenCount) / Double(rankCount) * Double(hiddenSize)
    return Int(min(4 * (weights + rows), 0x1p60))
  }
}
