import Planning
import Testing
import Topology

@Suite("Simulated steps")
struct StepSimulationTests {
  private static let rate = 1e9
  private static let latency = 1e-4

  /// 1 GFLOP/s at any number of rows; copies take no time.
  private static func machine(_ rates: [MatmulRate.Point] = [.init(rows: 16, flopsPerSecond: rate)]) -> MachineModel {
    MachineModel(
      sameHost: LinkCost(latencySeconds: 0, bytesPerSecond: .infinity),
      otherHost: LinkCost(latencySeconds: latency, bytesPerSecond: 1e6), matmul: MatmulRate(points: rates),
      copyBytesPerSecond: .infinity)
  }

  private struct Case {
    var ranks = 2
    var hosts = 2
    var bytesPerSecond = 1e7
    var tokens = 1280
    var experts = 2
    var choices = 1
    var weights: [Double]?
    var policy = SchedulePolicy.sequential
    var chunkRows = 64
    var cut = TaskCut(largest: 64, smallest: 32)
    var threads = 1
    var groupSize = 1
    var isTraining = false
    var machine = StepSimulationTests.machine()

    var shape: LayerShape {
      LayerShape(
        tokenCount: tokens, hiddenSize: 100, intermediateSize: 200, expertCount: experts, expertsPerToken: choices,
        inputMatrixCount: 1)
    }

    var prediction: StepPrediction {
      let popularity = ExpertPopularity(
        weights: weights ?? Array(repeating: 1, count: experts), expertsPerToken: choices)
      let topology = ParallelTopology(
        worldSize: ranks,
        expertParallelSize: ParallelTopology.defaultExpertParallelSize(worldSize: ranks, expertCount: experts))
      let traffic = ExchangeTraffic(popularity, tokenCount: tokens, topology: topology)
      let cluster = SimulatedCluster(
        hosts: HostMap(rankCount: ranks, hostCount: hosts), linkBytesPerSecond: bytesPerSecond, machine: machine)
      let settings = SimulationSettings(
        policy: policy, chunkRows: chunkRows, cut: policy == .sequential ? .whole : cut, groupSize: groupSize,
        threadCount: threads)
      return StepPrediction(shape, traffic, on: cluster, settings, isTraining: isTraining)
    }
  }

  /// 640 tokens a rank, half of them to the other: 320 rows of 400 bytes each way, and 320 results back.
  ///
  /// router 2·640·100·2 = 256 kFLOP · manifest (24 + 4 + 16·320) bytes · experts 640 rows · 2·2·100·200 FLOP
  private static let router = 256e3 / rate
  private static let products = 640 * 80e3 / rate
  private func manifest(_ bytesPerSecond: Double) -> Double { Self.latency + 5148 / bytesPerSecond }
  private func rows(_ bytesPerSecond: Double) -> Double { 320 * 400 / bytesPerSecond }

  @Test("sequential is the sum of its parts", arguments: [1e6, 1e7, 1e9])
  func sequentialForward(bytesPerSecond: Double) {
    let found = Case(bytesPerSecond: bytesPerSecond).prediction
    let there = Self.latency + rows(bytesPerSecond)
    let expected = Self.router + manifest(bytesPerSecond) + there + Self.products + there
    #expect(abs(found.seconds - expected) < 1e-9, "\(found.seconds), expected \(expected)")
    #expect(abs(found.compute - Self.router - Self.products) < 1e-12)
    #expect(abs(found.exchange - Self.latency - 2 * rows(bytesPerSecond)) < 1e-12)
    #expect(abs(found.exposedExchange - (expected - Self.router - Self.products)) < 1e-9)
    #expect(found.bound == max(found.compute, found.exchange))
    #expect(found.isComputeBound == (found.compute > found.exchange))
  }

  @Test("what messages take of a rank that computes is added where computing binds")
  func bytesTakeTheProcessor() {
    var eager = Case(bytesPerSecond: 1e9, policy: .eager)
    let before = eager.prediction.seconds
    eager.machine.otherHost.byteSeconds = 1e-7
    // 320 rows out, 320 in, and as many results, of 400 bytes each.
    #expect(abs(eager.prediction.seconds - before - 4 * 320 * 400 * 1e-7) < 1e-3 * before)
  }

  @Test("a rank that computes while others wait has their cores")
  func busyRanksHaveMoreOfTheCores() {
    var skewed = Case(bytesPerSecond: 1e12, weights: [1, 0])
    skewed.machine.otherHost.latencySeconds = 0
    let before = skewed.prediction.compute
    skewed.machine.soloSpeedup = 2
    // Rank 0 has all rows and half of the router's.
    let (busiest, other) = (Self.router + 2 * Self.products, Self.router)
    #expect(abs(before - busiest) < 1e-9)
    #expect(abs(skewed.prediction.compute - max(busiest / 2, (busiest + other) / 2)) < 1e-9)
    skewed.weights = nil
    #expect(abs(skewed.prediction.compute - Self.router - Self.products) < 1e-9)
  }

  @Test func sequentialTraining() {
    let found = Case(isTraining: true).prediction
    // Backward: gradients out, input gradients, weight gradients (as many operations again), results and 320 gate gradients.
    let there = Self.latency + rows(1e7)
    let gates = 4 * 320 / 1e7
    let backward = there + 2 * Self.products + there + gates + 2 * Self.router
    #expect(abs(found.passes[1].seconds - backward) < 1e-9, "\(found.passes[1].seconds), expected \(backward)")
    #expect(found.seconds == found.passes[0].seconds + found.passes[1].seconds)
  }

  @Test func eagerHidesWhatTheOtherComputes() {
    // 10 chunks out in 12.8 ms while own rows compute for 25.6 ms; the rest follows, and only its last result is waited for.
    var one = Case(policy: .eager)
    let found = one.prediction
    let task = 64 * 80e3 / Self.rate
    let last = Self.latency + 64 * 400 / 1e7
    let expected = Self.router + manifest(1e7) + Self.products + last
    #expect(abs(found.seconds - expected) < 1e-9 + task, "\(found.seconds), expected about \(expected)")
    #expect(found.exposedExchange < 0.4 * Case().prediction.exposedExchange)
    one.bytesPerSecond = .infinity
    #expect(one.prediction.exposedExchange < 4 * Self.latency)
  }

  @Test("two ranks of a host share its link")
  func sharedLink() {
    let apart = Case(ranks: 4, hosts: 4, tokens: 5120, experts: 4).prediction
    let together = Case(ranks: 4, hosts: 2, tokens: 5120, experts: 4).prediction
    // Apart, a link carries 3 · 320 rows each way; together 2 · 2 · 320 for its two ranks.
    #expect(abs(apart.exchange - Self.latency - 2 * 3 * rows(1e7)) < 1e-9)
    #expect(abs(together.exchange - Self.latency - 2 * 4 * rows(1e7)) < 1e-9)
    #expect(together.seconds > apart.seconds)
    let halves = Case(ranks: 4, hosts: 1, tokens: 5120, experts: 4).prediction
    #expect(halves.exchange == 0 && halves.roofline.ratio == .infinity)
  }

  @Test("what is popular is slow")
  func skew() {
    let even = Case(ranks: 4, hosts: 4, tokens: 5120, experts: 4).prediction
    let skewed = Case(ranks: 4, hosts: 4, tokens: 5120, experts: 4, weights: [8, 1, 1, 1]).prediction
    #expect(skewed.passes[0].ranks[0].compute > 2.5 * even.passes[0].ranks[0].compute)
    #expect(skewed.seconds > 2 * even.seconds)
    #expect(skewed.memoryByteCount > even.memoryByteCount)
  }

  @Test("threads share tasks")
  func threads() {
    var one = Case(policy: .eager, threads: 1)
    one.bytesPerSecond = .infinity
    var two = one
    two.threads = 2
    #expect(two.prediction.compute < 0.6 * one.prediction.compute)
    #expect(two.prediction.seconds < 0.7 * one.prediction.seconds)
  }

  @Test(
    "no schedule beats the bound, and eager is never slower than sequential",
    arguments: [(2, 2), (3, 3), (4, 2), (6, 3)],
    [1e6, 1e7, 1e8])
  func bounds(cluster: (ranks: Int, hosts: Int), bytesPerSecond: Double) {
    for isTraining in [false, true] {
      for weights in [Array(repeating: 1.0, count: 12), (1...12).map { 1 / Double($0) }] {
        var steps: [SchedulePolicy: Double] = [:]
        for policy in SchedulePolicy.allCases {
          let found = Case(
            ranks: cluster.ranks, hosts: cluster.hosts, bytesPerSecond: bytesPerSecond, tokens: 640 * cluster.ranks,
            experts: 12, choices: 2, weights: weights, policy: policy, isTraining: isTraining
          ).prediction
          #expect(found.bound <= found.seconds, "\(policy)")
          #expect(found.seconds.isFinite)
          steps[policy] = found.seconds
        }
        guard let eager = steps[.eager], let sequential = steps[.sequential] else { continue }
        #expect(eager <= sequential * (1 + 1e-9), "eager \(eager), sequential \(sequential)")
      }
    }
  }

  @Test("pairwise finishes with any group size", arguments: [1, 2, 3, 4, 5, 7])
  func pairwise(groupSize: Int) {
    let found = Case(
      ranks: 5, hosts: 5, tokens: 3200, experts: 5, choices: 2, policy: .pairwise, groupSize: groupSize,
      isTraining: true
    ).prediction
    #expect(found.seconds.isFinite && found.seconds >= found.bound)
  }

  @Test("more ranks than experts form groups, and nothing travels between them")
  func groups() {
    let two = Case(ranks: 2, hosts: 2, tokens: 1280).prediction
    let four = Case(ranks: 4, hosts: 4, tokens: 2560).prediction
    #expect(abs(two.seconds - four.seconds) < 1e-12)
    let alone = Case(ranks: 3, hosts: 3, tokens: 1920).prediction
    #expect(alone.exchange == 0 && alone.exposedExchange == 0)
  }

  @Test("few tokens, or none at all, finish")
  func fewTokens() {
    for tokens in [0, 1, 3] {
      for policy in SchedulePolicy.allCases {
        let found = Case(ranks: 4, hosts: 4, tokens: tokens, experts: 8, choices: 2, policy: policy, isTraining: true)
          .prediction
        #expect(found.seconds.isFinite && found.bound <= found.seconds)
      }
    }
  }

  @Test func theSameInputGivesTheSameBits() {
    let one = Case(ranks: 6, hosts: 3, tokens: 3840, experts: 6, choices: 2, policy: .eager, isTraining: true)
    #expect(one.prediction == one.prediction)
  }
}
