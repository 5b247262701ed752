import ArgumentParser
import Communication
import ExpertParallel
import Foundation
import Kernels
import Planning
import Topology

/// `plan`: predicts a layer's step on ranks that need not exist.
struct Plan: WorkerCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Predicts a step of one MoE layer on any number of ranks and hosts, in one process: time, bound, memory.",
    discussion: """
      Every rank's schedule is simulated, the same that 'bench layer' and 'train' run, on the links between hosts and \
      the measured rates of this machine or of --calibration's. bound_milliseconds is the sum over passes of the larger of \
      compute and exchange; exposed_exchange_milliseconds is what the step takes longer than its slowest rank computes. \
      Ranks beyond the experts form groups with a full set of experts each, as in training; sums of gradients over such \
      groups are not counted. --route two-level adds what relays copy and takes away the messages that they save. \
      compute_exchange_ratio, ideal_gflops and semi_ideal_gflops are FasterMoE's roofline for one \
      rank: everything or nothing of the exchange is hidden; achieved_gflops is the prediction.
      """)

  @OptionGroup var cluster: ClusterOptions
  @OptionGroup var calibration: CalibrationOptions
  @OptionGroup var results: ResultOptions
  @OptionGroup(title: "The layer") var flags: LayerFlags

  @Option(help: "sequential, pairwise (FasterMoE's) or eager.")
  var schedule = SchedulePolicy.eager

  @Option(help: "Ranks of a group of the pairwise schedule.", transform: Parse.positive)
  var groupSize = 1

  @Option(
    help: """
      How ranks of other hosts are reached: direct, or two-level (one message at a time from host to host, by way of a \
      rank of each; not with pairwise).
      """)
  var route = ExchangeFlags.Route.direct

  @Option(help: "Rows that a message carries at most. (default: about 128 KiB)", transform: Parse.positive)
  var chunkRows: Int?

  func validate() throws {
    try ExchangeFlags.check(route, schedule)
    // Indices of a rank's assignments have 32 bits.
    guard flags.tokens / cluster.ranks + 1 <= Int(Int32.max) / flags.expertsPerToken else {
      throw ValidationError("--tokens \(flags.tokens) are too many for --ranks \(cluster.ranks)")
    }
    guard messageCount <= Self.mostMessages else {
      throw ValidationError(
        "--tokens \(flags.tokens) in messages of \(rowsOfMessage) rows are too many messages to simulate")
    }
  }

  func run(on worker: Worker) throws {
    guard worker.world.size == 1 else {
      throw Refusal(
        .usage, "plan simulates all ranks in one process; start it without mpirun and give --ranks")
    }
    try worker.requireMemory(bytes: leastByteCount, for: "a plan for \(cluster.ranks) ranks")
    let simulated = try cluster.cluster(calibration, worker)
    let topology = ParallelTopology(worldSize: cluster.ranks, expertParallelSize: expertParallelSize)
    let weights = (0..<flags.experts).map { pow(Double($0 + 1), -flags.skew) }
    let popularity = ExpertPopularity(weights: weights, expertsPerToken: flags.expertsPerToken)
    let traffic = ExchangeTraffic(popularity, tokenCount: flags.tokens, topology: topology)
    let relays = route == .twoLevel ? relayCost(simulated) : nil
    let relaySeconds = relays?.passSeconds(
      traffic, rowByteCount: 4 * Double(flags.hiddenSize), chunkRows: rowsOfMessage)
    let passes = simulate(flags.mode == .train ? [.forward, .backward] : [.forward], traffic, on: simulated)
      .map { $0.prolonged(by: relaySeconds ?? 0) }
    let prediction = StepPrediction(passes, flags.shape, traffic, on: simulated, settings)
    try results.write(line(prediction, relays == nil ? .direct : .twoLevel), worker)
  }

  /// What relays cost; nil where there are none to take.
  private func relayCost(_ cluster: SimulatedCluster) -> RelayCost? {
    let hosts = ExchangeFlags.relayedHosts(cluster.hosts.hostOfRank.prefix(expertParallelSize).map { Int($0) })
    return hosts.map { RelayCost($0, machine: cluster.machine) }
  }

  /// The passes do not depend on each other: each has a thread.
  private func simulate(
    _ passes: [SimulatedPass], _ traffic: ExchangeTraffic, on cluster: SimulatedCluster
  ) -> [PassPrediction] {
    final class Place { var prediction: PassPrediction? }
    let places = passes.map { _ in Place() }
    let (shape, settings) = (flags.shape, settings)
    WorkerPool(threadCount: passes.count).run(passes.count) { task, _ in
      places[task].prediction = PassPrediction(passes[task], shape, traffic, on: cluster, settings)
    }
    return places.compactMap(\.prediction)
  }

  private func line(_ prediction: StepPrediction, _ route: ExchangeFlags.Route) -> JSONLine {
    let milliseconds = { (seconds: Double) in JSONLine.Value.real(seconds * 1e3) }
    let gigaflops = { (rate: Double) in JSONLine.Value.real(rate / 1e9, digits: 4) }
    var line = JSONLine([
      "schedule": .text(schedule.rawValue), "route": .text(route.rawValue), "mode": .text(flags.mode.rawValue),
      "ranks": .integer(cluster.ranks),
      "hosts": .integer(cluster.hosts), "threads": .integer(cluster.threads),
      "expert_parallel": .integer(expertParallelSize), "step_milliseconds": milliseconds(prediction.seconds),
      "bound_milliseconds": milliseconds(prediction.bound),
      "exposed_exchange_milliseconds": milliseconds(prediction.exposedExchange),
      "compute_milliseconds": milliseconds(prediction.compute),
      "exchange_milliseconds": milliseconds(prediction.exchange),
      "memory_bytes_per_rank": .integer(Int(min(prediction.memoryByteCount, 0x1p60))),
      "bound_by": .text(prediction.isComputeBound ? "compute" : "exchange"),
      "compute_exchange_ratio": .real(prediction.roofline.ratio, digits: 4),
      "peak_gflops": gigaflops(prediction.roofline.peak), "ideal_gflops": gigaflops(prediction.roofline.ideal),
      "semi_ideal_gflops": gigaflops(prediction.roofline.semiIdeal),
      "achieved_gflops": gigaflops(prediction.flopsPerSecondOfRank), "chunk_rows": .integer(rowsOfMessage),
    ])
    flags.describe(in: &line)
    return line
  }
}

extension Plan {
  private var exchange: ExchangeOptions {
    ExchangeOptions(policy: schedule, groupSize: groupSize, chunkRows: chunkRows)
  }

  private var settings: SimulationSettings {
    exchange.simulated(width: flags.hiddenSize, rankCount: expertParallelSize, threadCount: cluster.threads)
  }

  private var rowsOfMessage: Int { exchange.chunkRows(width: flags.hiddenSize) }

  private var expertParallelSize: Int {
    ParallelTopology.defaultExpertParallelSize(worldSize: cluster.ranks, expertCount: flags.experts)
  }

  private static let mostMessages = 0x1p28
  /// Messages of a pass at most: rows out and back in full messages, and one of each kind between every two ranks.
  private var messageCount: Double {
    let rows = Double(flags.tokens) * Double(flags.expertsPerToken)
    return 2 * rows / Double(rowsOfMessage) + 2 * min(pairCount, rows)
  }

  private var pairCount: Double { Double(cluster.ranks) * Double(expertParallelSize) }

  /// A schedule keeps about 100 bytes for each pair of ranks and 16 for each message, traffic 16 for each expert.
  private var leastByteCount: Int {
    let perExpert = 16 * Double(flags.experts) * Double(cluster.ranks / expertParallelSize + 1)
    return Int(min(100 * pairCount + 16 * messageCount + perExpert, 0x1p60))
  }
}
