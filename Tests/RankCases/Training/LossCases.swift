import Communication
import Kernels
import LanguageModel
import Tensors
package import TestSupport
import Training

/// What a step minimises, clips and measures.
package let lossCases: [RankCase] = [
  RankCase("training: balancing losses are averaged over micro-batches") { context in
    // Micro-batches with the same text are routed alike, so their mean is what one micro-batch has.
    var scenario = TrainingScenario.small
    scenario.model.balanceLossCoefficient = 0.5
    scenario.model.zLossCoefficient = 0.1
    let sequence = scenario.sequences.tokens[2]
    let targets = scenario.sequences.targets[2]
    scenario.sequences = ListedSequences(
      tokens: Array(repeating: sequence, count: 4), targets: Array(repeating: targets, count: 4))
    scenario.configuration.batchSequences = 4
    scenario.configuration.microBatchSequences = 4
    let whole = try scenario.run(over: context.world, steps: 5)
    for microBatchSequences in [1, 2] {
      scenario.configuration.microBatchSequences = microBatchSequences
      for (one, other) in zip(try scenario.run(over: context.world, steps: 5), whole) {
        context.expectClose(one.totalLoss, other.totalLoss, "total loss of step \(one.step)")
        context.expectClose(one.balanceLoss, other.balanceLoss, "balance loss of step \(one.step)")
        context.expectClose(one.zLoss, other.zLoss, "z-loss of step \(one.step)")
        context.expectClose(one.gradientNorm, other.gradientNorm, "gradient norm of step \(one.step)")
      }
    }
  },

  RankCase("training: the gradient that reaches the optimizer is no longer than the clip") { context in
    var scenario = TrainingScenario.small
    for clip in [nil, 0.125, 1000] as [Double?] {
      scenario.configuration.gradientClip = clip
      let run = try scenario.begin(over: context.world)
      let metrics = try run.advance(1)[0]
      // After the first step the first moment is a tenth of the gradient.
      let norm = GradientNorm(
        layout: run.loop.state.weights.layout, allNames: ModelLayout.whole(scenario.model).slots.map(\.name),
        topology: run.rank.runtime.topology, rank: context.world.rank)
      let moment = run.loop.state.optimizer.firstMoment
      norm.take(moment, in: 0..<moment.layout.count, workers: run.rank.runtime.workers)
      let length = try 10 * norm.finish(over: context.world)
      context.expectClose(length, min(metrics.gradientNorm, clip ?? .infinity), "length with clip \(clip ?? 0)")
      context.expect(metrics.gradientNorm > 0.125, "the gradient is too short to be clipped")
    }
  },

  RankCase("evaluation: the loss is the one that training reports for the same weights and text") { context in
    var scenario = TrainingScenario.small
    scenario.configuration.batchSequences = 12
    let run = try scenario.begin(over: context.world)
    for sequencesAtOnce in [1, 5, 12, 100] {
      let evaluation = Evaluation(run.rank.model, run.loop.state.weights, on: run.rank.runtime)
      let result = try evaluation.measure(scenario.sequences, sequencesAtOnce: sequencesAtOnce)
      context.expectEqual(result.tokens, scenario.sequences.targets.joined().count { $0 >= 0 })
      let trained = try scenario.run(over: context.world, steps: 1)[0]
      context.expectClose(result.loss, trained.loss, "loss of \(sequencesAtOnce) sequences at once")
    }
  },
]

extension RankContext {
  /// Records a failure if two numbers differ by more than 10⁻⁵ of the expected one.
  fileprivate func expectClose(
    _ value: Double, _ expected: Double, _ what: String, file: StaticString = #fileID, line: UInt = #line
  ) {
    expect(
      abs(value - expected) <= 1e-5 * abs(expected), "\(what) is \(value), not \(expected)", file: file, line: line)
  }
}
