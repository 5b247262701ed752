import Communication
import ExpertParallel
import LanguageModel
import Planning
import Routing
package import TestSupport
import Topology
import Tracing
import Training

/// A limit on the rows that leave a host, with the messages counted.
package let topologyGateCases: [RankCase] = [
  RankCase("training: no more rows leave a host than the topology gate allows", ranks: [2, 3, 4]) { context in
    let free = try rowsLeavingHosts(nil, context)
    for share in [0.0, 0.25, 0.6] {
      let limited = try rowsLeavingHosts(share, context)
      // 6 sequences of 16 tokens in one micro-batch; two layers.
      let tokens = BlockPartition(count: 6, parts: context.size).size(of: context.rank) * 16
      context.expect(limited.allSatisfy { $0 <= Int(share * Double(tokens)) }, "\(limited) of \(tokens) for \(share)")
      let wanted = zip(limited, free).map { min(Int(share * Double(tokens)), $1) }
      context.expect(limited[0] == wanted[0], "\(limited) of \(free) for \(share): not all that may leave does")
    }
    let leaving = try context.world.allGather(free.reduce(0, +)).reduce(0, +)
    context.expect(leaving > 2 * 60, "\(free): there is nothing to limit")
  },

  RankCase("training: a topology gate that allows everything changes no bit", ranks: [2, 4]) { context in
    let losses = try [nil, 2.0].map { share in
      let run = try TrainingScenario.small.begin(over: context.world)
      run.rank.runtime.topologyGate = share.map { gate($0, run, context) }
      return try run.advance(4).map(\.totalLoss)
    }
    context.expect(losses[0] == losses[1], "\(losses)")
  },
]

/// The ranks live on two hosts, the first ones on the one, the last ones on the other.
private func host(_ rank: Int, _ context: RankContext) -> Int { rank < context.size / 2 ? 0 : 1 }

private func gate(_ share: Double, _ run: ScenarioRun, _ context: RankContext) -> TopologyGate {
  let placement = run.rank.runtime.experts.placement
  return TopologyGate(
    rankOfExpert: (0..<placement.expertCount).map { placement.host(of: GlobalExpert($0)).index },
    hostOfRank: (0..<context.size).map { host($0, context) },
    ownHost: host(context.rank, context), leavingShare: share)
}

/// Rows in this rank's dispatch messages to the other host in a training step, by layer.
private func rowsLeavingHosts(_ share: Double?, _ context: RankContext) throws -> [Int] {
  let scenario = TrainingScenario.small
  let run = try scenario.begin(over: context.world)
  run.rank.runtime.topologyGate = share.map { gate($0, run, context) }
  let recorder = TraceRecorder()
  run.rank.runtime.experts.trace = recorder
  _ = try run.advance(1)
  var rows = Array(repeating: 0, count: scenario.model.layerCount)
  for event in recorder.events where event.kind == .dispatch && event.details.direction == .sent {
    guard event.site.pass == .forward, let layer = event.site.layer, let peer = event.details.peer,
      let bytes = event.details.byteCount, host(Int(peer), context) != host(context.rank, context)
    else { continue }
    rows[Int(layer)] += Int(bytes) / (4 * scenario.model.hiddenSize)
  }
  return rows
}
