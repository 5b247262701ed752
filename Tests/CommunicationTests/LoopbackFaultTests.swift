import Communication
import Synchronization
import Tensors
import TestSupport
import Testing
import Topology

@Suite("Loopback transport with faults")
struct LoopbackFaultTests {
  /// Every message is late by up to two milliseconds, another time for each.
  static func jitter(seed: UInt64) -> LoopbackFabric.FaultRule {
    let random = CounterRandom(seed: seed, stream: "jitter")
    return { message in
      let counter = UInt64((message.source.index * 8 + message.destination.index) << 20 + message.ordinal)
      return .delay(.microseconds(random.index(counter, below: 2_000)))
    }
  }

  static let cases = LoopbackConformanceTests.cases.filter { $0.rankCounts.contains(4) }

  @Test("keeps the promises of a communicator whatever arrives late", arguments: cases, [1, 2] as [UInt64])
  func conformsUnderJitter(to rankCase: RankCase, seed: UInt64) {
    let report = runOnThreads(rankCase, ranks: 4, faults: Self.jitter(seed: seed))
    #expect(report.isClean, "\(report)")
  }

  @Test("a late message holds back what follows it with its tag, and nothing else")
  func delay() throws {
    let isFirst: LoopbackFabric.FaultRule = { $0.ordinal == 0 ? .delay(.milliseconds(500)) : nil }
    let received = try LoopbackFabric.run(ranks: 2, faults: isFirst) { world in
      let values = (0..<3).map { Buffer<Int32>(world.rank == Rank(0) ? [Int32($0)] : [-1]) }
      let requests = try zip(values, [Tag(1), Tag(1), Tag(2)]).map { value, tag in
        world.rank == Rank(0)
          ? try world.startSend(value, to: Rank(1), tag: tag)
          : try world.startReceive(into: value, from: Rank(0), tag: tag)
      }
      try world.wait(for: [requests[2]], what: "the message of the other tag")
      try world.poke(requests)
      let early = values.map { $0[0] }
      try world.wait(for: requests, what: "all")
      return [early, values.map { $0[0] }]
    }
    #expect(received[1] == [[-1, -1, 2], [0, 1, 2]])
  }

  @Test("a lost message ends the wait at the limit and names the peer and the activity", arguments: [2, 3, 5])
  func drop(ranks: Int) throws {
    let isLost: LoopbackFabric.FaultRule = { $0.source == Rank(1) && $0.destination == Rank(0) ? .drop : nil }
    let results = LoopbackFabric(ranks: ranks, faults: isLost).run(waitLimit: .milliseconds(300)) { world in
      world.activity = Activity(.reduce, step: 12)
      try world.sum(Buffer<Float>(count: 1_000))
    }
    let error = try #require(throws: CommunicationError.self) { try results[0].get() }
    #expect(error.code == .noProgress && error.rank == Rank(0) && error.activity == Activity(.reduce, step: 12))
    #expect(error.message.contains("a sum of 1000 elements") && error.message.contains("missing: rank 1"), "\(error)")
  }

  @Test("the limit counts from the last message, not from the beginning of the wait")
  func progressResetsTheClock() throws {
    let isSlow: LoopbackFabric.FaultRule = { .delay(.milliseconds(300 * ($0.ordinal + 1))) }
    try LoopbackFabric.run(ranks: 2, waitLimit: .seconds(1), faults: isSlow) { world in
      let rooms = (0..<5).map { _ in Buffer<Int32>(count: 1) }
      let requests = try rooms.enumerated().map { number, room in
        world.rank == Rank(0)
          ? try world.startSend(room, to: Rank(1), tag: Tag(Int32(number)))
          : try world.startReceive(into: room, from: Rank(0), tag: Tag(Int32(number)))
      }
      try world.wait(for: requests, what: "messages that trickle in")
    }
  }

  @Test("every rank's error is collected")
  func collectsErrors() throws {
    let failure = try #require(throws: LoopbackFailure.self) {
      try LoopbackFabric.run(ranks: 3) { world in
        if world.rank.index > 0 { throw Refusal(.usage, "no \(world.rank)") }
      }
    }
    #expect(failure.description == "rank 1: no rank 1\nrank 2: no rank 2")
    #expect(try LoopbackFabric.run(ranks: 3) { $0.rank.index * 10 } == [0, 10, 20])
  }

  @Test("groups of a split are told apart in errors by world ranks")
  func missingPeerOfAGroup() throws {
    let isLost: LoopbackFabric.FaultRule = { $0.source == Rank(3) && $0.byteCount == 4 ? .drop : nil }
    let results = LoopbackFabric(ranks: 4, faults: isLost).run(waitLimit: .seconds(1)) { world in
      let odd = try world.split(color: world.rank.index % 2)
      if world.rank == Rank(3) { try odd.send(Buffer<Int32>([1]), to: Rank(0), tag: Tag(0)) }
      if world.rank == Rank(1) { try odd.receive(into: Buffer<Int32>(count: 1), from: Rank(1), tag: Tag(0)) }
    }
    let error = try #require(throws: CommunicationError.self) { try results[1].get() }
    #expect(error.message.contains("missing: rank 3"), "\(error)")
  }
}
