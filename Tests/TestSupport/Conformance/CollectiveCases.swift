import Communication
import Tensors
import Topology

/// What the collectives promise, on every transport.
package let collectiveCases: [RankCase] = [
  RankCase("communication: nobody leaves a barrier before all have come") { context in
    let world = context.world
    for late in world.ranks {
      if world.rank == late { sleep(for: .milliseconds(20)) }
      let came = monotonicSeconds()
      try world.barrier()
      let left = monotonicSeconds()
      let lastCame = try world.allGather(came).max() ?? 0
      context.expect(left >= lastCame, "left \(lastCame - left) s before the last rank came")
    }
  },

  RankCase("communication: a broadcast reaches every rank from every root") { context in
    let world = context.world
    for root in world.ranks {
      for count in [0, 1, 1_000, 100_000] {
        let values = Buffer<Int32>(count: count)
        if world.rank == root { for index in 0..<count { values[index] = Int32(index + root.index) } }
        try world.broadcast(values, from: root)
        context.expectEqual(values.elements, (0..<count).map { Int32($0 + root.index) })
      }
      let text = Array("from \(root) to everyone".utf8)
      context.expectEqual(try world.broadcastBytes(world.rank == root ? text : [1, 2], from: root), text)
      context.expectEqual(try world.broadcastBytes([], from: root), [])
    }
  },

  RankCase("communication: clocks that differ are compared") { context in
    let world = context.world
    for root in world.ranks {
      let ahead = Int64(world.rank.index - root.index) * 1_000_000_000
      let offset = try world.clockOffset(to: root) { Int64(monotonicSeconds() * 1e9) + ahead }
      // Half of the shortest of 20 round trips, on a machine with fewer cores than ranks.
      context.expect(abs(offset + ahead) < 50_000_000, "\(offset) ns for a clock that is \(ahead) ns ahead")
      context.expect(world.rank != root || offset == 0, "the root's clock differs from itself by \(offset) ns")
    }
  },

  RankCase("communication: gathers collect in rank order") { context in
    let world = context.world
    for count in [0, 1, 7, 5_000] {
      let own = Buffer<Int32>(count: count)
      own.fill(Int32(world.rank.index))
      let all = Buffer<Int32>(count: count * world.size)
      let expected = world.ranks.flatMap { [Int32](repeating: Int32($0.index), count: count) }
      try world.allGather(own, into: all)
      context.expectEqual(all.elements, expected)
      for root in world.ranks {
        all.fill(-1)
        try world.gather(own, into: world.rank == root ? all : nil, at: root)
        if world.rank == root { context.expectEqual(all.elements, expected) }
      }
    }
    context.expectEqual(try world.allGather(world.rank.index * 2), world.ranks.map { $0.index * 2 })
  },

  RankCase("communication: gathers collect any number of bytes of each rank") { context in
    let world = context.world
    func bytes(of rank: Rank, seed: Int) -> [UInt8] {
      [UInt8](repeating: UInt8(rank.index + seed), count: (rank.index + seed) % 3 * 50_000)
    }
    for seed in 0..<3 {
      let expected = world.ranks.map { bytes(of: $0, seed: seed) }
      context.expectEqual(try world.allGatherBytes(expected[world.rank.index]), expected)
      for root in world.ranks {
        let gathered = try world.gatherBytes(expected[world.rank.index], at: root)
        context.expectEqual(gathered, world.rank == root ? expected : nil)
      }
    }
  },

  RankCase("communication: groups of a split talk among themselves") { context in
    let world = context.world
    let group = try world.split(color: world.rank.index % 2)
    let members = world.ranks.filter { $0.index % 2 == world.rank.index % 2 }
    context.expectEqual(group.worldRanks, members)
    context.expectEqual(group.worldRanks[group.rank.index], world.rank)
    context.expectEqual(try group.allGather(world.rank.index), members.map(\.index))

    let own = try group.split(color: group.rank.index)
    context.expectEqual(own.worldRanks, [world.rank])
    context.expectEqual(try own.sum(Int64(5)), 5)

    let reversed = try world.split(color: -3)
    context.expectEqual(reversed.worldRanks, world.ranks)
    world.activity = Activity(.combine, step: 4)
    context.expectEqual(group.activity, Activity(.combine, step: 4))
  },

  RankCase("communication: equal tags of different groups do not meet") { context in
    let world = context.world
    let twin = try world.split(color: 0)
    for peer in world.peers {
      let rooms = (0..<2).map { _ in Buffer<Int32>(count: 1) }
      let requests = [
        try twin.startReceive(into: rooms[1], from: peer, tag: Tag(9)),
        try world.startReceive(into: rooms[0], from: peer, tag: Tag(9)),
        try world.startSend(Buffer<Int32>([10]), to: peer, tag: Tag(9)),
        try twin.startSend(Buffer<Int32>([11]), to: peer, tag: Tag(9)),
      ]
      try world.wait(for: requests, what: "messages of two groups")
      context.expectEqual(rooms.map { $0[0] }, [10, 11])
    }
  },

  RankCase("communication: collectives and a caller's messages do not meet") { context in
    let world = context.world
    let rooms = world.ranks.map { _ in Buffer<Int32>(count: 1) }
    var requests: [Request] = []
    for peer in world.peers {
      requests.append(try world.startReceive(into: rooms[peer.index], from: peer, tag: Tag(0)))
    }
    try world.barrier()
    context.expectEqual(try world.sum(Int64(2)), Int64(2 * world.size))
    _ = try world.allGatherBytes([1, 2, 3])
    context.expect(requests.allSatisfy { !$0.isDone }, "a receive was filled by a collective")
    let message = Buffer<Int32>([Int32(world.rank.index)])
    for peer in world.peers { requests.append(try world.startSend(message, to: peer, tag: Tag(0))) }
    try world.wait(for: requests, what: "messages posted before collectives")
    for peer in world.peers { context.expectEqual(rooms[peer.index][0], Int32(peer.index)) }
  },

  RankCase("communication: all ranks agree on the first refusal") { context in
    let world = context.world
    context.expectEqual(try world.agree { world.rank.index }, world.rank.index)

    let last = world.size - 1
    let single = context.expectError(Refusal.self) {
      try world.agree { if world.rank.index == last { throw Refusal(.missingInput, "no such file: a") } }
    }
    let prefix = world.size == 1 ? "" : "rank \(last): "
    context.expectEqual(single, Refusal(.missingInput, "\(prefix)no such file: a"))

    let several = context.expectError(Refusal.self) {
      try world.agree { throw Refusal(.usage, "flag of \(world.rank)") }
    }
    context.expectEqual(several, Refusal(.usage, world.size == 1 ? "flag of rank 0" : "rank 0: flag of rank 0"))

    let unanimous = context.expectError(Refusal.self) { try world.agree { throw Refusal(.configuration, "k = 9") } }
    context.expectEqual(unanimous, Refusal(.configuration, "k = 9"))
    context.expectEqual(try world.agree { "still here" }, "still here")
  },
]
