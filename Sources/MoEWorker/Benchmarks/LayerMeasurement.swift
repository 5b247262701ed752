import Communication
import ExpertParallel
import Kernels
import Planning
import Topology

/// A layer, its parts and the matmul ceiling, measured in turn: the machine's speed drifts.
///
/// Medians over the repeats; where ranks differ, the slowest counts. All ranks have the same numbers.
struct LayerMeasurement {
  /// One direction of the layer.
  struct Phase {
    /// Everything but waiting for messages, under the sequential schedule: nothing is in flight while it computes.
    var compute = 0.0
    /// The messages alone, all posted at once.
    var exchange = 0.0
    /// No schedule can be faster.
    var bound: Double { max(compute, exchange) }
  }

  let milliseconds: Double
  let sequentialMilliseconds: Double
  let forward: Phase
  let backward: Phase
  let exposedMilliseconds: Double
  /// GFLOP/s of the machine's matmul, measured beside the layer.
  let ceiling: Double
  /// What a thread computed beside the layer, in the products that a prediction is scaled by.
  let flopsPerSecond: Double
  /// Of all ranks, in one pass.
  let sentByteCount: Int
  let taskCount: Int
  let pokeCount: Int
  /// In the last pass.
  let shadowedExpertCount: Int
  let exchange: ExchangePlan

  var boundMilliseconds: Double { forward.bound + backward.bound }

  /// The share of what can be hidden that was; nil where less than 5 % of the time can be.
  var overlapEfficiency: Double? {
    let hideable = sequentialMilliseconds - boundMilliseconds
    return hideable < 0.05 * sequentialMilliseconds ? nil : (sequentialMilliseconds - milliseconds) / hideable
  }

  init(
    _ layer: LayerBenchmark, _ mode: LayerBenchmark.Mode, repeats: Int, over world: any Communicator,
    _ workers: WorkerPool, hosts: HostMap
  ) throws {
    let chosen = layer.runtime.options
    var sequential = chosen
    sequential.policy = .sequential
    sequential.relayedHosts = nil
    let ceiling = try MatmulCeiling.highest(over: world, workers)
    let probe = RateProbe(over: world, workers)
    var speeds: [Double] = []
    var samples: [Sample] = []
    for repetition in -Self.warmUpCount..<repeats {
      let sample = try Sample(layer, mode, chosen, sequential, ceiling, over: world)
      let speed = try probe.presentFlopsPerSecond(hosts)
      if repetition < 0 { continue }
      samples.append(sample)
      speeds.append(speed)
    }
    layer.runtime.options = chosen
    func median(_ value: (Sample) -> Double) -> Double { Stopwatch.median(samples.map(value)) }
    milliseconds = median(\.own.milliseconds)
    sequentialMilliseconds = median(\.sequential.milliseconds)
    forward = Phase(compute: median(\.sequential.forwardCompute), exchange: median(\.forwardExchange))
    backward = Phase(compute: median(\.sequential.backwardCompute), exchange: median(\.backwardExchange))
    exposedMilliseconds = median(\.own.exposed)
    self.ceiling = median(\.ceiling)
    flopsPerSecond = Stopwatch.median(speeds)
    let last = samples[samples.count - 1].own.timings
    exchange = samples[samples.count - 1].own.plan
    func total(_ value: (ExchangeTimings.Phase) -> Int) throws -> Int {
      Int(try world.sum(Int64(value(last.forward) + value(last.backward))))
    }
    sentByteCount = try total(\.sentByteCount)
    taskCount = try total(\.taskCount)
    pokeCount = try total(\.pokeCount)
    shadowedExpertCount = samples[samples.count - 1].own.shadowedExpertCount
  }

  /// The first passes touch new memory and prepare matmuls.
  private static let warmUpCount = 3

  /// One pass of everything.
  private struct Sample {
    let own: PassSample
    let sequential: PassSample
    let forwardExchange: Double
    let backwardExchange: Double
    let ceiling: Double

    init(
      _ layer: LayerBenchmark, _ mode: LayerBenchmark.Mode, _ chosen: ExchangeOptions, _ sequential: ExchangeOptions,
      _ ceiling: MatmulCeiling, over world: any Communicator
    ) throws {
      own = try PassSample(layer, mode, chosen, over: world)
      self.sequential = chosen == sequential ? own : try PassSample(layer, mode, sequential, over: world)
      let (plan, width) = (own.plan, layer.shape.hiddenSize)
      forwardExchange =
        try 1e3 * Stopwatch.slowest(over: world) { try layer.runtime.exchangeAlone(plan, .forward, width: width) }
      backwardExchange =
        mode == .train
        ? try 1e3 * Stopwatch.slowest(over: world) { try layer.runtime.exchangeAlone(plan, .backward, width: width) }
        : 0
      self.ceiling = ceiling.gigaflops(seconds: try ceiling.seconds())
    }
  }

  /// One pass over the layer under one schedule.
  private struct PassSample {
    let milliseconds: Double
    let forwardCompute: Double
    let backwardCompute: Double
    let exposed: Double
    let timings: ExchangeTimings
    let plan: ExchangePlan
    let shadowedExpertCount: Int

    init(
      _ layer: LayerBenchmark, _ mode: LayerBenchmark.Mode, _ options: ExchangeOptions, over world: any Communicator
    ) throws {
      layer.runtime.options = options
      layer.runtime.timings = ExchangeTimings()
      try world.barrier()
      let times = try layer.run(mode)
      timings = layer.runtime.timings
      plan = times.exchange
      shadowedExpertCount = times.shadowedExpertCount
      func slowest(_ duration: Duration) throws -> Double { try world.allGather(duration.milliseconds).max() ?? 0 }
      milliseconds = try slowest(times.forward + times.backward)
      forwardCompute = try slowest(times.forward - timings.forward.exposed)
      backwardCompute = try slowest(times.backward - timings.backward.exposed)
      exposed = try slowest(timings.exposed)
    }
  }
}
