package import Topology

/// Which ranks compute their own tokens' rows for an expert that another rank hosts, with a copy of its parameters.
package struct ShadowPlan: Hashable, Sendable {
  /// In order of expert, none without ranks.
  package let chains: [Chain]

  /// The ranks that shadow one expert. Its parameters go from the owner to the first, from there to the second, and so
  /// on; gradients come the other way, each rank adding its own to those that arrive.
  package struct Chain: Hashable, Sendable {
    package let expert: GlobalExpert
    package let owner: Rank
    package let ranks: [Rank]

    package init(expert: GlobalExpert, owner: Rank, ranks: [Rank]) {
      self.expert = expert
      self.owner = owner
      self.ranks = ranks
    }
  }

  package init(_ chains: [Chain]) { self.chains = chains }

  package static let none = ShadowPlan([])

  package var isEmpty: Bool { chains.isEmpty }

  package func ranks(of expert: GlobalExpert) -> [Rank] { chains.first { $0.expert == expert }?.ranks ?? [] }

  /// The experts that a rank shadows, in order.
  package func experts(on rank: Rank) -> [GlobalExpert] {
    chains.filter { $0.ranks.contains(rank) }.map(\.expert)
  }
}
