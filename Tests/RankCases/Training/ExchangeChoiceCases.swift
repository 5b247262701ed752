import Communication
import ExpertParallel
import LanguageModel
import Planning
import Tensors
package import TestSupport
import Topology
import Training

/// How tokens are exchanged, and where experts live, changes no bit of a training run.
package let exchangeChoiceCases: [RankCase] = [
  RankCase("training: schedules, messages and tasks change no bit", ranks: [1, 2, 3, 4, 6]) { context in
    let scenario = TrainingScenario.small
    let usual = try outcome(scenario, context)
    for options in exchangeChoices {
      var other = scenario
      other.exchange = options
      context.expect(try outcome(other, context) == usual, "\(options) changes the outcome")
    }
  },

  RankCase("training: an exchange by way of relays changes no bit", ranks: [2, 3, 4, 6]) { context in
    var scenario = TrainingScenario.small
    let usual = try outcome(scenario, context)
    for policy in [SchedulePolicy.sequential, .eager] {
      var options = ExchangeOptions(policy: policy, chunkRows: 3)
      let groupSize = ParallelTopology.defaultExpertParallelSize(
        worldSize: context.size, expertCount: scenario.model.expertCount)
      options.relayedHosts = HostMap(rankCount: groupSize, hostCount: 2)
      scenario.exchange = options
      context.expect(try outcome(scenario, context) == usual, "relays under \(policy) change the outcome")
    }
  },

  RankCase("training: a progress thread changes no bit", ranks: [2, 3, 4]) { context in
    // Ranks that are threads have no MPI that needs one.
    if context.world is LoopbackCommunicator { return }
    var scenario = TrainingScenario.small
    let usual = try outcome(scenario, context)
    context.world.startProgressThread()
    for policy in SchedulePolicy.allCases {
      var options = ExchangeOptions(policy: policy, chunkRows: 3)
      options.pokesBetweenTasks = false
      scenario.exchange = options
      context.expect(try outcome(scenario, context) == usual, "a thread and \(policy) change the outcome")
    }
  },

  RankCase("training: experts that change ranks change no bit", ranks: [1, 2, 3, 4, 6]) { context in
    for size in Set([1, 2, min(4, context.world.size)]).sorted() where context.world.size % size == 0 {
      var scenario = TrainingScenario.small
      scenario.expertParallelSize = size
      let usual = try outcome(scenario, context)
      scenario.replacement = ReplacementSchedule(everySteps: 2, decide: rotated)
      let run = try scenario.begin(over: context.world)
      let metrics = try run.advance(stepCount)
      let moved = metrics.map(\.movedExpertCount)
      // Two layers; every expert but those that stay with a rank that has several.
      context.expectEqual(moved.contains { $0 > 0 }, size > 1)
      context.expectEqual(moved.enumerated().filter { $0.element > 0 && $0.offset % 2 == 0 }.count, 0)
      if size > 1 { context.expect(run.loop.state.weights.layout != run.rank.parameters.layout, "nothing moved") }
      let other = try outcome(metrics, run, context)
      context.expect(other == usual, "re-placement in groups of \(size) changes the outcome")
    }
  },
]

private let stepCount = 7

private let exchangeChoices: [ExchangeOptions] =
  SchedulePolicy.allCases.map { ExchangeOptions(policy: $0) } + [
    ExchangeOptions(policy: .sequential, chunkRows: 1), ExchangeOptions(policy: .pairwise, groupSize: 2, chunkRows: 2),
    ExchangeOptions(policy: .pairwise, groupSize: 3, chunkRows: 64),
    ExchangeOptions(policy: .eager, chunkRows: 1, taskRows: 1, window: SendWindow(total: 2, perPeer: 1)),
    ExchangeOptions(policy: .eager, chunkRows: 7, taskRows: 64), ExchangeOptions(policy: .eager, chunkRows: 1000),
  ]

/// Each rank's experts go to the next rank that has as many.
@Sendable private func rotated(_ load: RoutingLoad, _ passCount: Int, _ owners: [Int]) -> Replacement? {
  // 6 sequences a step, in one micro-batch of 16 tokens each, over two steps.
  precondition(passCount == 2 && load.tokenCounts.reduce(0, +) == 2 * 6 * 16, "\(load) of \(passCount) passes")
  precondition(load.rowsPerExpert.reduce(0, +) == 2 * 2 * 6 * 16, "\(load)")
  guard load.rankCount > 1 else { return nil }
  return Replacement(from: owners, to: Array(owners.dropFirst()) + owners.prefix(1))
}

/// What a run leaves.
private struct Outcome: Equatable {
  let losses: [Double]
  let norms: [Double]
  /// The digests of all tensors on all ranks, each once.
  let tensors: Set<Substring>
}

private func outcome(_ scenario: TrainingScenario, _ context: RankContext) throws -> Outcome {
  let run = try scenario.begin(over: context.world)
  return try outcome(try run.advance(stepCount), run, context)
}

private func outcome(_ metrics: [StepMetrics], _ run: ScenarioRun, _ context: RankContext) throws -> Outcome {
  var digests: [String: Int] = [:]
  for (kind, tensors) in [("weights", run.weights), ("first", run.firstMoment), ("second", run.secondMoment)] {
    for (name, bits) in tensors { digests[name + kind] = bits.reduce(7) { $0 &* 31 &+ Int($1) } }
  }
  let lines = digests.map { "\($0.key) \($0.value)" }.sorted().joined(separator: "\n")
  let all = try context.world.allGatherBytes(Array(lines.utf8))
  let known = Set(all.flatMap { String(decoding: $0, as: UTF8.self).split(separator: "\n") })
  return Outcome(
    losses: metrics.map(\.totalLoss), norms: metrics.map(\.gradientNorm),
    tensors: known)
}
