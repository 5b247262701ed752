import Communication
import Tensors
import Testing
import Topology
import Training

struct GradientReductionTests {
  /// Ranks, experts' ranks, elements in a bucket: small ones make many buckets, more than are in flight at once.
  static let cases = [(1, 1), (2, 2), (2, 1), (3, 3), (4, 4), (4, 2), (4, 1)].flatMap { world, experts in
    [16, 100, 1 << 20].map { (ParallelTopology(worldSize: world, expertParallelSize: experts), $0) }
  }

  /// How backward may report what it has finished.
  enum Order: CaseIterable { case backToFront, frontToBack, atOnce }

  private static func finish(
    _ layout: ParameterLayout, _ order: Order, with reduction: GradientReduction
  ) throws(CommunicationError) {
    switch order {
    case .backToFront: for slot in layout.slots.reversed() { try reduction.finish(slot.range) }
    case .frontToBack: for slot in layout.slots { try reduction.finish(slot.range) }
    case .atOnce: try reduction.finish(0..<layout.count)
    }
  }

  /// What the ranks in `ranks` have, added one after another in single precision.
  private static func sum(_ layout: ParameterLayout, over ranks: [Int], round: Int) -> [Float] {
    let part = ParameterBuffer(zeros: layout)
    var total = [Float](repeating: 0, count: layout.count)
    for (place, rank) in ranks.enumerated() {
      DividedModel.fill(part, stream: UInt64(100 * round + rank))
      for index in total.indices { total[index] = place == 0 ? part.values[index] : total[index] + part.values[index] }
    }
    return total
  }

  @Test("gradients are summed over the ranks that share them, in rank order", arguments: cases, Order.allCases)
  func sums(setting: (topology: ParallelTopology, bucketSize: Int), order: Order) throws {
    let topology = setting.topology
    let model = DividedModel(topology: topology)
    try LoopbackFabric.run(ranks: topology.worldSize) { world in
      let layout = model.layout(of: world.rank)
      let gradients = ParameterBuffer(zeros: layout)
      let reduction = try GradientReduction(
        of: gradients, world: world, topology: topology, bucketSize: setting.bucketSize)
      let everyone = Array(0..<topology.worldSize)
      let replicas = everyone.filter {
        topology.dataParallelGroup(of: Rank($0)) == topology.dataParallelGroup(of: world.rank)
      }
      for round in 0..<3 {
        DividedModel.fill(gradients, stream: UInt64(100 * round + world.rank.index))
        try reduction.begin()
        try Self.finish(layout, order, with: reduction)
        reduction.poke()
        try reduction.complete()
        let replicated = 0..<layout.replicatedCount
        let experts = layout.replicatedCount..<layout.count
        let all = Self.sum(layout, over: everyone, round: round)
        let shared = Self.sum(layout, over: replicas, round: round)
        #expect(gradients.values[replicated].elements == Array(all[replicated]))
        #expect(gradients.values[experts].elements == Array(shared[experts]))
      }
    }
  }

  @Test func ranksThatReportInDifferentOrdersStillAgree() throws {
    let topology = ParallelTopology(worldSize: 4, expertParallelSize: 2)
    let model = DividedModel(topology: topology)
    let results = try LoopbackFabric.run(ranks: 4) { world in
      let layout = model.layout(of: world.rank)
      let gradients = ParameterBuffer(zeros: layout)
      DividedModel.fill(gradients, stream: UInt64(world.rank.index))
      let reduction = try GradientReduction(of: gradients, world: world, topology: topology, bucketSize: 64)
      try reduction.begin()
      try Self.finish(layout, Order.allCases[world.rank.index % 3], with: reduction)
      try reduction.complete()
      return gradients.values[0..<layout.replicatedCount].elements
    }
    #expect(results.allSatisfy { $0 == results[0] })
  }

  @Test func aRankThatNeverJoinsIsReported() throws {
    let topology = ParallelTopology(worldSize: 2, expertParallelSize: 2)
    let model = DividedModel(topology: topology)
    // Rank 1 never joins the sum.
    let results = LoopbackFabric(ranks: 2).run(waitLimit: .milliseconds(100)) { world in
      let gradients = ParameterBuffer(zeros: model.layout(of: world.rank))
      let reduction = try GradientReduction(of: gradients, world: world, topology: topology)
      guard world.rank.index == 0 else { return }
      try reduction.begin()
      try reduction.finish(0..<gradients.layout.count)
      try reduction.complete()
    }
    #expect(throws: CommunicationError.self) { try results[0].get() }
  }
}
