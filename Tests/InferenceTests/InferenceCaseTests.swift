import RankCases
import TestSupport
import Testing

struct InferenceCaseTests {
  @Test("on ranks that are threads", arguments: inferenceCases.map(\.name), [1, 2, 3, 4])
  func inference(name: String, ranks: Int) throws {
    let report = runOnThreads(try #require(inferenceCases.first { $0.name == name }), ranks: ranks)
    #expect(report.isClean, "\(report)")
  }
}
