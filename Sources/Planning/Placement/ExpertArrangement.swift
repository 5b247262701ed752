import Topology

/// Which expert of a layer lies in which slot.
///
/// A *slot* is a place for one expert's parameters. Slots belong to ranks in contiguous blocks, for good
/// (`ExpertPlacement`); experts change slots when they are re-placed. Exchanges, plans and shadows count slots; the
/// router, the statistics and the names of tensors count experts. At first expert `e` lies in slot `e`.
package struct ExpertArrangement: Hashable, Sendable {
  /// [E]
  package private(set) var slotOfExpert: [Int]

  package init(expertCount: Int) { slotOfExpert = Array(0..<expertCount) }

  package var expertCount: Int { slotOfExpert.count }

  /// [E]
  package var expertOfSlot: [Int] {
    var experts = slotOfExpert
    for (expert, slot) in slotOfExpert.enumerated() { experts[slot] = expert }
    return experts
  }

  /// The rank that hosts each expert. [E]
  package func owners(_ placement: ExpertPlacement) -> [Int] {
    slotOfExpert.map { placement.host(of: GlobalExpert($0)).index }
  }

  /// Those that stay keep their slots; those that come to a rank take the slots that are left there, both in order.
  package func applying(_ replacement: Replacement, _ placement: ExpertPlacement) -> ExpertArrangement {
    var free: [Rank: [Int]] = [:]
    for move in replacement.moves { free[move.from, default: []].append(slotOfExpert[move.expert.index]) }
    for rank in free.keys { free[rank]?.sort(by: >) }
    var result = self
    for move in replacement.moves {
      guard let slot = free[move.to]?.popLast() else { preconditionFailure("\(move.to) has no slot left") }
      result.slotOfExpert[move.expert.index] = slot
    }
    precondition(result.owners(placement) == replacement.owners, "moves that do not lead to their owners")
    return result
  }
}

extension RoutingDecision {
  /// The same decision with experts named by their slots.
  package func inSlots(of arrangement: ExpertArrangement) -> RoutingDecision {
    RoutingDecision(
      expertsPerToken: expertsPerToken, expertIDs: expertIDs.map { Int32(arrangement.slotOfExpert[Int($0)]) },
      gateWeights: gateWeights, isKept: isKept)
  }
}
