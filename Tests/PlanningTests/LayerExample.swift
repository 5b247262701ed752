import Planning
import TestSupport
import Topology

/// A layer on some ranks: what it costs, who wants what of whom, who hosts what.
struct LayerExample {
  let costs: LayerCosts
  let load: RoutingLoad
  let owners: [Int]

  static func machine(
    flopsPerSecond: Double, bytesPerSecond: Double, latencySeconds: Double = 50e-6, soloSpeedup: Double = 1
  ) -> MachineModel {
    MachineModel(
      sameHost: LinkCost(latencySeconds: 1e-6, bytesPerSecond: 5e9),
      otherHost: LinkCost(latencySeconds: latencySeconds, bytesPerSecond: bytesPerSecond),
      matmul: MatmulRate(points: [
        .init(rows: 1, flopsPerSecond: flopsPerSecond / 20), .init(rows: 64, flopsPerSecond: flopsPerSecond),
      ]), copyBytesPerSecond: 10e9, soloSpeedup: soloSpeedup)
  }

  static func contiguousOwners(expertCount: Int, rankCount: Int) -> [Int] {
    let partition = BlockPartition(count: expertCount, parts: rankCount)
    return (0..<expertCount).map(partition.part(of:))
  }

  init(costs: LayerCosts, load: RoutingLoad, owners: [Int]) {
    self.costs = costs
    self.load = load
    self.owners = owners
  }

  /// A shape of the peers' benchmarks on hosts of one rank at 1 Gbit/s, 200 GFLOP/s each.
  init(_ shape: ExpertShape, tokenCount: Int, expertCount: Int, hostCount: Int, exponent: Double, passes: LayerPasses) {
    costs = LayerCosts(
      machine: Self.machine(flopsPerSecond: 200e9, bytesPerSecond: 118e6), shape: shape,
      hostOfRank: Array(0..<hostCount), threadsPerRank: 1, passes: passes)
    load = SkewedLoad.expected(
      tokensPerRank: tokenCount / hostCount, rankCount: hostCount, expertCount: expertCount, choices: 2,
      exponent: exponent)
    owners = Self.contiguousOwners(expertCount: expertCount, rankCount: hostCount)
  }

  static func s1(hostCount: Int, exponent: Double, passes: LayerPasses) -> LayerExample {
    LayerExample(
      ExpertShape(hiddenSize: 512, intermediateSize: 2048, matrixCount: 2, elementBytes: 4), tokenCount: 2048,
      expertCount: 8, hostCount: hostCount, exponent: exponent, passes: passes)
  }

  static func s2(hostCount: Int, exponent: Double, passes: LayerPasses) -> LayerExample {
    LayerExample(
      ExpertShape(hiddenSize: 512, intermediateSize: 1792, matrixCount: 3, elementBytes: 4), tokenCount: 2048,
      expertCount: 8, hostCount: hostCount, exponent: exponent, passes: passes)
  }

  static func s4(hostCount: Int = 4, exponent: Double, passes: LayerPasses = .training) -> LayerExample {
    LayerExample(
      ExpertShape(hiddenSize: 256, intermediateSize: 1024, matrixCount: 2, elementBytes: 4), tokenCount: 16384,
      expertCount: 64, hostCount: hostCount, exponent: exponent, passes: passes)
  }

  /// Anything: hosts of several ranks, experts anywhere, fast and slow links, tokens on few experts or many.
  init(seed: Int) {
    var generator = SeededGenerator(seed: 31 + seed)
    let rankCount = Int.random(in: 1...9, using: &generator)
    let expertCount = Int.random(in: 1...20, using: &generator)
    let choices = expertCount > 2 ? Int.random(in: 1...2, using: &generator) : 1
    let ranksPerHost = Int.random(in: 1...3, using: &generator)
    let bandwidth: Double = [1e7, 1e8, 1e9].randomElement(using: &generator) ?? 1e8
    costs = LayerCosts(
      machine: Self.machine(
        flopsPerSecond: Bool.random(using: &generator) ? 1e10 : 2e11, bytesPerSecond: bandwidth,
        soloSpeedup: seed % 3 == 0 ? 1.7 : 1),
      shape: ExpertShape(
        hiddenSize: 64, intermediateSize: [64, 256].randomElement(using: &generator) ?? 64,
        matrixCount: Int.random(in: 2...3, using: &generator), elementBytes: 4),
      hostOfRank: (0..<rankCount).map { $0 / ranksPerHost }, threadsPerRank: 1,
      passes: Bool.random(using: &generator) ? .training : .forward)
    owners = (0..<expertCount).map { _ in Int.random(in: 0..<rankCount, using: &generator) }
    let expected = SkewedLoad.expected(
      tokensPerRank: Int.random(in: 0...600, using: &generator), rankCount: rankCount, expertCount: expertCount,
      choices: choices, exponent: [0.0, 0.8, 2.0].randomElement(using: &generator) ?? 0)
    load = Self.varied(expected, by: 0.5, seed: seed)
  }

  /// The same with every count up to a share more or less.
  func varied(by share: Double, seed: Int) -> LayerExample {
    LayerExample(costs: costs, load: Self.varied(load, by: share, seed: seed), owners: owners)
  }

  private static func varied(_ load: RoutingLoad, by share: Double, seed: Int) -> RoutingLoad {
    var generator = SeededGenerator(seed: seed)
    let counts = load.counts.enumerated().map { index, count in
      let changed = Double(count) * (1 + Double.random(in: -share...share, using: &generator))
      return min(Int(changed.rounded()), load.tokenCounts[index / load.expertCount])
    }
    return RoutingLoad(
      tokenCounts: load.tokenCounts, expertsPerToken: load.expertsPerToken, expertCount: load.expertCount,
      counts: counts)
  }

  var policy: ShadowPolicy { ShadowPolicy(costs: costs, memoryBytes: 1 << 30) }

  func predicted(_ shadows: ShadowPlan = .none) -> Double {
    costs.predictedSeconds(load, owners: owners, shadows: shadows)
  }
}
