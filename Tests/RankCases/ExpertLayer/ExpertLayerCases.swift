import Communication
import ExpertParallel
import Planning
package import TestSupport

/// The expert layer over MPI: what one rank alone computes, bit for bit, under every schedule.
package let expertLayerCases: [RankCase] = SchedulePolicy.allCases.map { policy in
  let activation = policy == .eager ? ExpertActivation.swiGLU : .gelu
  return RankCase("experts: every scenario has the bits of one rank (\(policy))") { context in
    for scenario in ExpertScenario.all {
      context.step("\(scenario)")
      let batch = scenario.batch(activation)
      let alone = try LoopbackFabric.run(ranks: 1) { world in
        try ExpertLayerRank(batch, on: world, ExpertLayerSetup()).step()
      }
      let rank = ExpertLayerRank(
        batch, on: context.world,
        scenario.setup(ranks: context.size, exchange: ExchangeOptions(policy: policy, groupSize: 2)))
      let part = alone[0].part(tokens: rank.tokens, experts: rank.runtime.hostedSlots, of: batch)
      for call in 1...2 {
        let difference = try rank.step().firstDifference(from: part)
        context.expect(difference == nil, "\(scenario), call \(call): \(difference ?? "")")
      }
      let (error, place) = alone[0].largestError(against: batch.expected)
      context.expect(error < 3e-6, "\(scenario): \(error) of the largest value at \(place)")
    }
  }
}

extension ExpertLayerResult {
  /// What a rank with these tokens and experts has of a result.
  fileprivate func part(tokens: Range<Int>, experts: Range<Int>, of batch: ExpertBatch) -> ExpertLayerResult {
    func rows(_ values: [Float], _ width: Int) -> [Float] {
      Array(values[tokens.lowerBound * width..<tokens.upperBound * width])
    }
    return ExpertLayerResult(
      out: rows(out, batch.hiddenSize), dx: rows(dx, batch.hiddenSize),
      dGateWeights: rows(dGateWeights, batch.expertsPerToken), dWeights: Array(dWeights[experts]))
  }
}
