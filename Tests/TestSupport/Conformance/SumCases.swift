import Communication
import Tensors
import Topology

/// What sums over ranks promise, on every transport: the bits of adding in rank order.
package let sumCases: [RankCase] = [
  RankCase("communication: sums have the bits of adding in rank order") { context in
    let world = context.world
    for count in [0, 1, 2, 3, 5, 64, 1_001] {
      let own = Buffer(sumOperand(of: world.rank, count: count))
      try world.sum(own)
      context.expectEqual(own.elements.map(\.bitPattern), naiveSum(over: world, count: count).map(\.bitPattern))
    }
    let doubles = Buffer<Double>([0.1, 1e300].map { $0 * Double(world.rank.index + 1) })
    try world.sum(doubles)
    let expected = world.ranks.dropFirst().reduce([0.1, 1e300]) { total, rank in
      zip(total, [0.1, 1e300]).map { $0 + $1 * Double(rank.index + 1) }
    }
    context.expectEqual(doubles.elements, expected)
    let counts = Buffer<Int64>([Int64(world.rank.index), .max])
    try world.sum(counts)
    context.expectEqual(
      counts.elements, [Int64(world.size * (world.size - 1) / 2), world.ranks.reduce(0) { sum, _ in sum &+ .max }])
    context.expectEqual(try world.sum(0.5), 0.5 * Double(world.size))
  },

  RankCase("communication: several sums are in flight at once") { context in
    let world = context.world
    let counts = [1_000, 1, 300_000, 17, 64, 0]
    let values = counts.enumerated().map { number, count in
      Buffer(sumOperand(of: world.rank, count: count, seed: UInt64(number)))
    }
    var sums: [PendingSum<Float>] = []
    for (number, count) in counts.enumerated() {
      let scratch = Buffer<Float>(count: PendingSum<Float>.scratchCount(for: count, size: world.size))
      sums.append(try world.startSum(values[number], scratch: scratch))
    }
    context.step("sums started")
    try world.barrier()
    for _ in 0..<50 { for sum in sums { try sum.advance() } }
    let order = world.rank.index % 2 == 0 ? Array(sums.indices) : sums.indices.reversed()
    for number in order { _ = try sums[number].advance() }
    for number in sums.indices {
      try sums[number].finish()
      context.expect(sums[number].isDone)
      context.expectEqual(
        values[number].elements.map(\.bitPattern),
        naiveSum(over: world, count: counts[number], seed: UInt64(number)).map(\.bitPattern))
    }
  },

  RankCase("communication: a steady step of collectives allocates no memory") { context in
    let world = context.world
    let values = Buffer<Float>(count: 10_000)
    let scratch = Buffer<Float>(count: PendingSum<Float>.scratchCount(for: values.count, size: world.size))
    func step() throws {
      try world.sum(values)
      try world.startSum(values, scratch: scratch).finish()
      try world.barrier()
      try world.broadcast(values, from: Rank(0))
      _ = try world.allGather(world.rank.index)
      _ = try world.sum(Int64(1))
    }
    try step()
    let before = Memory.allocationCount
    for _ in 0..<5 { try step() }
    context.expectEqual(Memory.allocationCount, before)
  },
]

/// Values of many sizes, so that the order of adding shows in the bits.
func sumOperand(of rank: Rank, count: Int, seed: UInt64 = 0) -> [Float] {
  let random = CounterRandom(seed: seed, stream: UInt64(rank.index))
  return (0..<count).map { index in
    let exponent = Float(random.index(UInt64(2 * index), below: 24)) - 12
    return (random.uniform(UInt64(2 * index + 1)) - 0.5) * Float(sign: .plus, exponent: Int(exponent), significand: 1)
  }
}

/// Adds every rank's operand in rank order, in this process alone.
func naiveSum(over communicator: any Communicator, count: Int, seed: UInt64 = 0) -> [Float] {
  var total = sumOperand(of: Rank(0), count: count, seed: seed)
  for rank in communicator.ranks.dropFirst() {
    let operand = sumOperand(of: rank, count: count, seed: seed)
    for index in 0..<count { total[index] += operand[index] }
  }
  return total
}
