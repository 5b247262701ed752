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
}
