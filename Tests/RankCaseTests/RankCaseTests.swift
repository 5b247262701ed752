import RankCases
import TestSupport
import Testing

/// One run of a case.
struct RankRunArgument: Sendable, CustomTestStringConvertible {
  let rankCase: RankCase
  let ranks: Int
  var testDescription: String { "\(rankCase.name), on \(ranks)" }

  static let all = rankCases.filter { !$0.isMadeToFail }.flatMap { rankCase in
    rankCase.rankCounts.map { RankRunArgument(rankCase: rankCase, ranks: $0) }
  }
}

@Suite("Cases on several ranks", .serialized)
struct RankCaseTests {
  @Test("passes under mpirun", arguments: RankRunArgument.all)
  func passes(_ run: RankRunArgument) {
    let report = runOnRanks(run.rankCase, ranks: run.ranks)
    #expect(report.isClean, "\(report)")
  }

  @Test("names are unique, since a run is started by name")
  func namesAreUnique() {
    #expect(Set(rankCases.map(\.name)).count == rankCases.count)
  }
}

/// The same over TCP, between hosts of their own.
@Suite(
  "Cases on several hosts", .serialized,
  .enabled(if: TestHosts.canBeMade, Comment(rawValue: TestHosts.requirement)))
struct HostCaseTests {
  @Test("passes on three hosts", arguments: RankRunArgument.all.filter { $0.ranks == 3 })
  func passes(_ run: RankRunArgument) {
    let report = runOnRanks(run.rankCase, ranks: run.ranks, eachOnItsHost: true)
    #expect(report.isClean, "\(report)")
  }
}
