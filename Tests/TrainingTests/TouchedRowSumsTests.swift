import Communication
import Tensors
import Testing
import Topology
import Training

/// An embedding table's gradient, of which only the rows of the batch's tokens travel.
struct TouchedRowSumsTests {
  private static let rowCount = 70
  private static let columns = 5
  private static let mostTokens = 64

  private static let layout: ParameterLayout = {
    var layout = ParameterLayout()
    layout.add("embedding", [rowCount, columns], isReplicated: true)
    layout.add("norm", [17], isReplicated: true)
    layout.add("head", [40], isReplicated: true)
    return layout
  }()

  /// A rank's tokens of a round: some of them twice, some on several ranks, and none at all on the last rank of three.
  private static func tokens(rank: Int, ranks: Int, round: Int) -> [Int32] {
    if ranks == 3 && rank == 2 { return [] }
    let random = CounterRandom(seed: UInt64(round), stream: "tokens of \(rank)")
    return (0..<16).map { Int32(random.index(UInt64($0), below: rowCount / 2)) } + [Int32(rowCount - 1)]
  }

  /// Random numbers, in the table only in the rows of the tokens.
  private static func fill(_ gradients: ParameterBuffer, tokens: [Int32], stream: UInt64) {
    DividedModel.fill(gradients, stream: stream)
    let table = gradients["embedding"]
    for row in 0..<rowCount where !tokens.contains(Int32(row)) { table[rows: row..<row + 1].fill(0) }
  }

  @Test("the totals are those of the whole table, bit for bit", arguments: [1, 2, 3, 4], [7, 100, 1 << 20])
  func sums(ranks: Int, bucketSize: Int) throws {
    let topology = ParallelTopology(worldSize: ranks, expertParallelSize: ranks)
    try LoopbackFabric.run(ranks: ranks) { world in
      let (sparse, dense) = (ParameterBuffer(zeros: Self.layout), ParameterBuffer(zeros: Self.layout))
      let table = GradientReduction.SparseTable(Self.layout.slot("embedding"), mostTokens: Self.mostTokens)
      let reductions = [
        (
          sparse,
          try GradientReduction(
            of: sparse, table: table, world: world, topology: topology, bucketSize: bucketSize)
        ),
        (dense, try GradientReduction(of: dense, world: world, topology: topology, bucketSize: bucketSize)),
      ]
      for round in 0..<3 {
        let tokens = Self.tokens(rank: world.rank.index, ranks: ranks, round: round)
        for (gradients, reduction) in reductions {
          Self.fill(gradients, tokens: tokens, stream: UInt64(10 * round + world.rank.index))
          for half in [tokens[..<(tokens.count / 2)], tokens[(tokens.count / 2)...]] {
            reduction.touch(Buffer(Array(half)))
          }
          try reduction.begin()
          for slot in Self.layout.slots.reversed() { try reduction.finish(slot.range) }
          reduction.poke()
          try reduction.complete()
        }
        #expect(sparse.values.elements.map(\.bitPattern) == dense.values.elements.map(\.bitPattern))
      }
    }
  }

  @Test("no more bytes travel than the touched rows and the ranks' sets", arguments: [2, 3, 4])
  func bytes(ranks: Int) throws {
    let topology = ParallelTopology(worldSize: ranks, expertParallelSize: ranks)
    let all = (0..<ranks).map { Self.tokens(rank: $0, ranks: ranks, round: 0) }
    let touchedCount = Set(all.joined()).count
    try #require(touchedCount < Self.rowCount / 2 + 2)
    try LoopbackFabric.run(ranks: ranks) { world in
      let gradients = ParameterBuffer(zeros: Self.layout)
      let table = GradientReduction.SparseTable(Self.layout.slot("embedding"), mostTokens: Self.mostTokens)
      let reduction = try GradientReduction(of: gradients, table: table, world: world, topology: topology)
      let before = world.job.traffic
      reduction.touch(Buffer(all[world.rank.index]))
      try reduction.begin()
      try reduction.finish(0..<Self.layout.count)
      try reduction.complete()
      let rest = Self.layout.replicatedCount - Self.layout.slot("embedding").range.upperBound
      let sets = 8 * ((Self.rowCount + 63) / 64) * (ranks - 1)
      let expected =
        sets + Self.bytesOfSum(touchedCount * Self.columns, world) + Self.bytesOfSum(rest, world)
      #expect(world.job.traffic.since(before).sentByteCount == expected)
    }
  }

  /// What a rank sends for a sum: others' slices to them, and its own slice's total to all.
  private static func bytesOfSum(_ count: Int, _ world: any Communicator) -> Int {
    let own = BlockPartition(count: count, parts: world.size).range(of: world.rank.index).count
    return 4 * (count - own + (world.size - 1) * own)
  }
}
