import Communication
import Kernels
import Planning
import Tensors
import Topology

/// The shadows of one layer in one step, as one rank has to do with them.
struct LayerShadows: Sendable {
  let plan: ShadowPlan
  private let own: Rank
  /// The parameters of the experts that this rank shadows, in order of expert.
  let weights: [ExpertWeights]

  /// - Parameter shape: of any of the layer's experts; they are all alike.
  init(_ plan: ShadowPlan, own: Rank, input: Shape, output: Shape, workspace: Workspace) {
    self.plan = plan
    self.own = own
    weights = plan.experts(on: own).map { _ in
      ExpertWeights(
        input: workspace.tensor(input[0], input[1]), output: workspace.tensor(output[0], output[1]))
    }
  }

  static func none(own: Rank) -> LayerShadows { LayerShadows(own: own) }

  private init(own: Rank) {
    plan = .none
    self.own = own
    weights = []
  }

  var experts: [GlobalExpert] { plan.experts(on: own) }

  /// The chains that this rank is part of.
  private var chains: [ShadowPlan.Chain] {
    plan.chains.filter { $0.owner == own || $0.ranks.contains(own) }
  }

  /// The streams that bring the parameters: those of this rank's shadows first, in order of expert, then those of its own
  /// experts that others shadow.
  func broadcasts(
    hosted: [ExpertWeights], sequence: Int32, on runtime: ExpertRuntime
  ) -> [ParameterStream] {
    streams(hosted: hosted, shadows: weights, runtime.placement) { number, matrices, chain, place in
      ParameterStream(
        .parameters, of: matrices, sequence: sequence, number: number, from: place > 0 ? chain[place - 1] : nil,
        to: place + 1 < chain.count ? chain[place + 1] : nil, arrival: .kept, isReady: true, on: runtime)
    }
  }

  /// The streams that bring the gradients home, in the same order.
  func reductions(
    hosted: [ExpertWeights], shadows gradients: [ExpertWeights], sequence: Int32, on runtime: ExpertRuntime
  ) -> [ParameterStream] {
    streams(hosted: hosted, shadows: gradients, runtime.placement) { number, matrices, chain, place in
      ParameterStream(
        .parameterGradients, of: matrices, sequence: sequence, number: number,
        from: place + 1 < chain.count ? chain[place + 1] : nil, to: place > 0 ? chain[place - 1] : nil,
        arrival: .added, isReady: false, on: runtime)
    }
  }

  /// For each stream, in the same order, the local expert whose matrices it carries: hosted ones first, shadows behind.
  func localExperts(hostedCount: Int, placement: ExpertPlacement) -> [LocalExpert] {
    let shadows = experts.indices.map { LocalExpert(hostedCount + $0) }
    return shadows + chains.filter { $0.owner == own }.map { placement.localExpert(of: $0.expert) }
  }

  private func streams(
    hosted: [ExpertWeights], shadows: [ExpertWeights], _ placement: ExpertPlacement,
    _ make: (_ number: Int, _ matrices: [Tensor], _ chain: [Rank], _ place: Int) -> ParameterStream
  ) -> [ParameterStream] {
    func stream(_ chain: ShadowPlan.Chain, _ weights: ExpertWeights) -> ParameterStream {
      let ranks = [chain.owner] + chain.ranks
      // All ranks have the same plan: the place of a chain in it is the number of its stream.
      let number = plan.chains.firstIndex(of: chain) ?? 0
      return make(number, [weights.input, weights.output], ranks, ranks.firstIndex(of: own) ?? 0)
    }
    let mine = chains.filter { $0.owner != own }
    return zip(mine, shadows).map(stream)
      + chains.filter { $0.owner == own }.map { stream($0, hosted[placement.localExpert(of: $0.expert).index]) }
  }
}
