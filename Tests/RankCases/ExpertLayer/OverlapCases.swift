import ExpertParallel
import Planning
package import TestSupport
import Tracing

/// What a trace says of overlap, with real messages.
package let overlapCases: [RankCase] = [
  RankCase(
    "experts: results fly while experts still compute, in both directions, and never sequentially", ranks: [2, 3, 4]
  ) {
    context in
    let scenario = ExpertScenario(
      description: "results fly", tokenCount: 480, hiddenSize: 32, intermediateSize: 64, expertCount: 8, chunkRows: 8)
    let batch = scenario.batch(.swiGLU)
    for policy in SchedulePolicy.allCases {
      context.step("\(policy)")
      let rank = ExpertLayerRank(
        batch, on: context.world,
        scenario.setup(ranks: context.size, exchange: ExchangeOptions(policy: policy, taskRows: 64)))
      let recorder = TraceRecorder()
      rank.runtime.trace = recorder
      try rank.step()
      let overlaps = TraceSummary(recorder.events).overlaps(of: { $0.kind == .results }, with: \.kind.isExpertWork)
      for pass in [TraceSite.Pass.forward, .backward] {
        let overlap = overlaps.first { $0.key.pass == pass }?.value ?? TraceSummary.Overlap()
        context.expect(overlap.messageCount > 1 && overlap.taskCount > 1, "\(policy), \(pass): \(overlap)")
        switch policy {
        case .sequential: context.expectEqual(overlap.earlyMessageCount, 0, "\(policy), \(pass)")
        // Pairwise results leave when all rows have been sent, which may be when all has been computed.
        case .pairwise: break
        case .eager: context.expect(overlap.earlyMessageCount > 0, "\(policy), \(pass): \(overlap)")
        }
      }
    }
  }
]
