import RankCases
import TestSupport
import Testing

struct ModelScenarioTests {
  @Test("on ranks that are threads", arguments: modelScenarioCases.map(\.name), [1, 2, 3, 4])
  func scenario(name: String, ranks: Int) throws {
    let report = runOnThreads(try #require(modelScenarioCases.first { $0.name == name }), ranks: ranks)
    #expect(report.isClean, "\(report)")
  }

  @Test("what training relies on, on ranks that are threads", arguments: trainingPassCases.map(\.name), [1, 2, 3, 4])
  func trainingPass(name: String, ranks: Int) throws {
    let rankCase = try #require(trainingPassCases.first { $0.name == name })
    // Threads of one process cannot tell their allocations apart.
    guard rankCase.rankCounts.contains(ranks), !name.contains("takes no memory") else { return }
    let report = runOnThreads(rankCase, ranks: ranks)
    #expect(report.isClean, "\(report)")
  }
}
