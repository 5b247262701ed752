import Communication
import ExpertParallel
import Planning
import RankCases
import Synchronization
import TestSupport
import Testing
import Topology

@Suite("Two-level exchange")
struct TwoLevelTests {
  /// The host of each rank: even, uneven, interleaved, and hosts of a single rank.
  static let hosts: [[Int]] = [
    [0, 1], [0, 0, 1], [0, 1, 1], [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 2, 2], [0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 1, 2],
    [0, 0, 0],
  ]

  static let exchanges: [ExchangeOptions] = [
    ExchangeOptions(policy: .sequential, chunkRows: 3, window: SendWindow(total: 1, perPeer: 1)),
    ExchangeOptions(policy: .sequential), ExchangeOptions(policy: .eager, chunkRows: 2, taskRows: 64),
    ExchangeOptions(policy: .eager, chunkRows: 5, window: SendWindow(total: 2, perPeer: 1)),
  ]

  private static func setup(
    _ scenario: ExpertScenario, _ hosts: [Int], _ exchange: ExchangeOptions, threads: Int = 1
  ) -> ExpertLayerSetup {
    var exchange = exchange
    exchange.relayedHosts = HostMap(names: hosts)
    return ExpertLayerSetup(
      ranks: hosts.count, threads: threads, chunkRows: exchange.chunkRows ?? 1024, blocks: scenario.blocks,
      exchange: exchange)
  }

  @Test("gives the bits of one rank, whichever hosts ranks share", arguments: ExpertScenario.all, exchanges)
  func sameBits(scenario: ExpertScenario, exchange: ExchangeOptions) throws {
    let batch = scenario.batch(.swiGLU)
    let alone = try batch.run(ExpertLayerSetup())
    for hosts in Self.hosts {
      let difference = try batch.run(Self.setup(scenario, hosts, exchange)).firstDifference(from: alone)
      #expect(difference == nil, "\(hosts): \(difference ?? "")")
    }
  }

  @Test("gives the same bits when messages are late", arguments: 0..<6)
  func sameBitsLateMessages(seed: Int) throws {
    let batch = ExpertScenario.all[0].batch(.gelu)
    let alone = try batch.run(ExpertLayerSetup())
    let setup = Self.setup(ExpertScenario.all[0], [0, 0, 1, 1, 1], Self.exchanges[seed % Self.exchanges.count])
    let late = try batch.run(setup) { message in
      let mix = (message.source.index * 31 + message.destination.index * 17 + message.ordinal * 7 + seed * 13) % 11
      return mix < 5 ? .delay(.milliseconds(mix)) : nil
    }
    let difference = late.firstDifference(from: alone)
    #expect(difference == nil, "\(difference ?? "")")
  }

  @Test("joins two hosts by one message for each kind of rows", arguments: exchanges)
  func messageCount(exchange: ExchangeOptions) throws {
    let scenario = ExpertScenario.all[0]
    let hosts = [0, 0, 0, 1, 1, 1]
    let counts = Mutex<[Int: Int]>([:])
    _ = try scenario.batch(.swiGLU).run(Self.setup(scenario, hosts, exchange)) { message in
      let (source, target) = (hosts[message.source.index], hosts[message.destination.index])
      if source != target { counts.withLock { $0[source, default: 0] += 1 } }
      return nil
    }
    // Manifests, rows and results; output gradients, input gradients and gate gradients.
    #expect(counts.withLock { $0 } == [0: 6, 1: 6])
  }

  @Test("ends on every rank when a message between hosts is lost", arguments: 0..<6)
  func lostMessage(ordinal: Int) throws {
    let scenario = ExpertScenario.all[0]
    let batch = scenario.batch(.swiGLU)
    let hosts = [0, 0, 1, 1]
    let seen = Mutex<Int>(0)
    let fabric = LoopbackFabric(ranks: 4) { message in
      guard hosts[message.source.index] == 1 && hosts[message.destination.index] == 0 else { return nil }
      return seen.withLock { count in
        defer { count += 1 }
        return count == ordinal ? .drop : nil
      }
    }
    let results = fabric.run(waitLimit: .seconds(1)) { world in
      try ExpertLayerRank(batch, on: world, Self.setup(scenario, hosts, Self.exchanges[ordinal % 2])).step()
    }
    // Nobody on the host that the last message leaves waits for anything any more.
    for (rank, result) in results.enumerated() where ordinal < 5 || hosts[rank] == 0 {
      #expect(throws: CommunicationError.self) { try result.get() }
    }
  }
}
