import Communication
import ExpertParallel
import LanguageModel
package import Planning
import Routing
import Tensors
import Topology

/// When experts may change ranks, and who decides it.
package struct ReplacementSchedule: Sendable {
  /// Given a layer's load, summed over so many forward passes, and the rank that hosts each expert. It must decide the same
  /// on all ranks.
  package typealias Decision = @Sendable (_ load: RoutingLoad, _ passCount: Int, _ owners: [Int]) -> Replacement?

  package let everySteps: Int
  package let decide: Decision

  package init(everySteps: Int, decide: @escaping Decision) {
    precondition(everySteps > 0, "a re-placement every \(everySteps) steps")
    self.everySteps = everySteps
    self.decide = decide
  }
}

/// The slow loop beside shadows: every so many steps, experts change ranks where the load has shifted.
///
/// What a token gets does not depend on where its experts live, so results do not change by a bit: a re-placement gives
/// slots of the parameter buffers to other experts, carries weights and moments there, and names the tensors anew.
struct ExpertReplacement {
  private let schedule: ReplacementSchedule
  private let configuration: ModelConfiguration
  private let runtime: ModelRuntime
  /// The layers that have experts, by their places in the model.
  private let layers: [Int]
  private var loads: ExpertLoads

  init(_ schedule: ReplacementSchedule, _ configuration: ModelConfiguration, on runtime: ModelRuntime) {
    self.schedule = schedule
    self.configuration = configuration
    self.runtime = runtime
    layers = (0..<configuration.layerCount).filter(configuration.hasExperts)
    loads = ExpertLoads(
      expertCount: configuration.expertCount, expertsPerToken: configuration.expertsPerToken,
      layerCount: layers.count, topology: runtime.topology)
  }

  /// Takes note of a forward pass. See `ExpertLoads.add`.
  mutating func note(_ routing: RoutingStatistics) { loads.add(routing) }

  /// Moves experts if it is time and worth it. Every rank calls it after every step.
  ///
  /// - Returns: where everything lies now, and how many experts have moved; nil if nothing has.
  mutating func run(
    afterStep step: Int, _ state: TrainingState
  ) throws(CommunicationError) -> (layout: ParameterLayout, moveCount: Int)? {
    guard step % schedule.everySteps == 0 else { return nil }
    runtime.enter(.replace)
    let replacements = try decide()
    guard !replacements.isEmpty else { return nil }
    let old = state.weights.layout
    for (layer, replacement) in replacements {
      runtime.experts.arrangements[layer] = runtime.experts.arrangement(ofLayer: layer)
        .applying(replacement, runtime.experts.placement)
    }
    let layout = ModelLayout.make(configuration, hostedExperts: runtime.experts.hostedExperts)
    try runtime.experts.move(
      moves(replacements, from: old, to: layout),
      in: [state.weights.values, state.optimizer.firstMoment.values, state.optimizer.secondMoment.values])
    return (layout, replacements.reduce(0) { $0 + $1.replacement.moves.count })
  }

  private mutating func decide() throws(CommunicationError) -> [(layer: Int, replacement: Replacement)] {
    let passCount = loads.passCount
    let loads = try loads.take(over: runtime.world)
    return zip(layers, loads).compactMap { layer, load in
      let owners = runtime.experts.arrangement(ofLayer: layer).owners(runtime.experts.placement)
      return schedule.decide(load, passCount, owners).map { (layer, $0) }
    }
  }

  private func moves(
    _ replacements: [(layer: Int, replacement: Replacement)], from old: ParameterLayout, to new: ParameterLayout
  ) -> ExpertMoves {
    let own = runtime.experts.group.rank
    var moves = ExpertMoves()
    for (layer, replacement) in replacements {
      for move in replacement.moves {
        let names = ParameterNames.layer(layer).expert(move.expert.index)
        if move.from == own {
          moves.leaving.append(.init(peer: move.to, range: old.range(from: names.gate, through: names.down)))
        }
        if move.to == own {
          moves.arriving.append(.init(peer: move.from, range: new.range(from: names.gate, through: names.down)))
        }
      }
    }
    return moves
  }
}
