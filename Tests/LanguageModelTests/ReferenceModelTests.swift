import RankCases
import TestSupport
import Testing

/// The model against transformers' numbers, ranks being threads; under `mpirun` the same cases run with the others.
@Suite(.enabled(if: ReferenceModel.path != nil, "no shared/reference-models beside the checkout"))
struct ReferenceModelTests {
  @Test("on ranks that are threads", arguments: referenceModelCases.map(\.name), [1, 2, 3, 4])
  func reference(name: String, ranks: Int) throws {
    let rankCase = try #require(referenceModelCases.first { $0.name == name })
    guard rankCase.rankCounts.contains(ranks) else { return }
    let report = runOnThreads(rankCase, ranks: ranks)
    #expect(report.isClean, "\(report)")
  }
}
