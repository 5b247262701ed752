import TestSupport
import Testing

@Suite("Loopback transport")
struct LoopbackConformanceTests {
  /// One process, one count of allocations: that case runs under `mpirun` only.
  static let cases = communicatorConformance.filter { !$0.name.hasSuffix("allocates no memory") }

  @Test("keeps the promises of a communicator", arguments: cases, 1...5)
  func conforms(to rankCase: RankCase, ranks: Int) {
    guard ranks == 5 || rankCase.rankCounts.contains(ranks) else { return }
    let report = runOnThreads(rankCase, ranks: ranks)
    #expect(report.isClean, "\(report)")
  }
}

extension RankCase: CustomTestStringConvertible {
  public var testDescription: String { name }
}
