import RankCases
import TestSupport
import Testing

@Suite(.serialized)
struct TrainingLoopTests {
  /// Every case of training, on ranks that are threads. Those that need processes run under `RankCaseTests`.
  static let runs = [
    trainingCases, exchangeChoiceCases, topologyGateCases, lossCases, referenceTrainingCases, trainingRunCases,
    checkpointRunCases,
  ].joined().flatMap { rankCase in rankCase.rankCounts.map { (rankCase, $0) } }

  @Test("training cases hold on ranks that are threads", arguments: runs.indices)
  func cases(index: Int) {
    let (rankCase, ranks) = Self.runs[index]
    let report = runOnThreads(rankCase, ranks: ranks)
    #expect(report.isClean, "\(report)")
  }
}
