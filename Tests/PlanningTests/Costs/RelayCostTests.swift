import Planning
import Testing
import Topology

@Suite("Relay cost")
struct RelayCostTests {
  /// 10 GB/s and 1 µs a message inside a host, 1 GB/s and 10 µs a message between hosts.
  static let machine = MachineModel(
    sameHost: LinkCost(latencySeconds: 1e-6, bytesPerSecond: 1e10, messageSeconds: 1e-6),
    otherHost: LinkCost(latencySeconds: 30e-6, bytesPerSecond: 1e9, messageSeconds: 10e-6),
    matmul: MatmulRate(points: [.init(rows: 1, flopsPerSecond: 1e10)]), copyBytesPerSecond: 1e10)

  @Test("is the difference of messages and copies, counted by hand")
  func byHand() {
    let cost = RelayCost(HostMap(rankCount: 16, hostCount: 4), machine: Self.machine)
    // Directly 12 messages to other hosts; with relays 3 to relays, 3/4 · 3 to neighbours, and 3/4 to other hosts.
    let messages = 2 * ((3 + 2.25) * 1e-6 + (0.75 - 12) * 10e-6)
    let copies = 3 * 1e5 / 1e10
    #expect(abs(cost.seconds(byteCount: 1e5, chunkByteCount: 131_072) - (messages + copies + 2e-6)) < 1e-12)
  }

  @Test("is won for many short messages and lost for few long ones")
  func regimes() {
    let many = RelayCost(HostMap(rankCount: 64, hostCount: 8), machine: Self.machine)
    #expect(many.seconds(byteCount: 56 * 1024, chunkByteCount: 131_072) < 0)
    #expect(
      many.seconds(byteCount: 56e6, chunkByteCount: 131_072) > many.seconds(byteCount: 1e5, chunkByteCount: 131_072))
    let single = RelayCost(HostMap(rankCount: 4, hostCount: 4), machine: Self.machine)
    #expect(single.seconds(byteCount: 1e6, chunkByteCount: 131_072) > 0)
  }

  @Test("of a pass counts what the busiest rank sends to other hosts, twice, and three kinds of short messages")
  func pass() {
    let hosts = HostMap(rankCount: 4, hostCount: 2)
    let cost = RelayCost(hosts, machine: Self.machine)
    let topology = ParallelTopology(worldSize: 4, expertParallelSize: 4)
    // Every rank sends rank r 10·(r + 1) rows: ranks 0 and 1 send 30 + 40 to the other host, the others 10 + 20.
    let traffic = ExchangeTraffic(
      topology: topology, placement: ExpertPlacement(expertCount: 4, rankCount: 4), tokenCounts: [100, 100, 100, 100],
      counts: { _, counts in counts = [10, 20, 30, 40] },
      pairRows: { _, _, assignments, _ in (assignments, assignments) })
    let long = cost.seconds(byteCount: 70 * 1000, chunkByteCount: 64_000)
    let short = cost.seconds(byteCount: 0, chunkByteCount: 64_000)
    let found = cost.passSeconds(traffic, rowByteCount: 1000, chunkRows: 64)
    #expect(abs(found - (2 * long + short)) < 1e-12)
  }
}
