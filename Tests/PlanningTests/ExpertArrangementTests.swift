import Planning
import Tensors
import Testing
import Topology

@Suite("Expert arrangement")
struct ExpertArrangementTests {
  /// Which rank hosts each slot, whatever lies there.
  private static func hosts(_ placement: ExpertPlacement) -> [Int] {
    (0..<placement.expertCount).map { placement.host(of: GlobalExpert($0)).index }
  }

  @Test("begins with every expert in its own slot")
  func identity() {
    let arrangement = ExpertArrangement(expertCount: 5)
    #expect(arrangement.slotOfExpert == [0, 1, 2, 3, 4])
    #expect(arrangement.owners(ExpertPlacement(expertCount: 5, rankCount: 2)) == [0, 0, 1, 1, 1])
  }

  @Test("those that stay keep their slots, and those that come take the free ones in order")
  func example() {
    let placement = ExpertPlacement(expertCount: 6, rankCount: 2)
    let first = ExpertArrangement(expertCount: 6).applying(
      Replacement(from: [0, 0, 0, 1, 1, 1], to: [1, 0, 1, 0, 1, 0]), placement)
    #expect(first.slotOfExpert == [3, 1, 5, 0, 4, 2])
    #expect(first.expertOfSlot == [3, 1, 5, 0, 4, 2])
    let second = first.applying(Replacement(from: [1, 0, 1, 0, 1, 0], to: [0, 1, 1, 0, 1, 0]), placement)
    #expect(second.slotOfExpert == [1, 3, 5, 0, 4, 2])
  }

  @Test("stays a permutation with the owners that were asked for", arguments: 0..<100)
  func properties(seed: Int) {
    let random = CounterRandom(seed: UInt64(seed), stream: "arrangements")
    let placement = ExpertPlacement(expertCount: 1 + seed % 13, rankCount: 1 + seed % 5)
    var arrangement = ExpertArrangement(expertCount: placement.expertCount)
    var owners = Self.hosts(placement)
    for round in 0..<4 {
      var wanted = owners
      for place in wanted.indices.reversed() {
        wanted.swapAt(place, random.index(UInt64(100 * round + place), below: place + 1))
      }
      arrangement = arrangement.applying(Replacement(from: owners, to: wanted), placement)
      #expect(arrangement.owners(placement) == wanted)
      #expect(arrangement.slotOfExpert.sorted() == Array(0..<placement.expertCount))
      #expect(arrangement.expertOfSlot.map { arrangement.slotOfExpert[$0] } == Array(0..<placement.expertCount))
      owners = wanted
    }
  }

  @Test("a decision in slots differs in the names of experts alone")
  func decision() {
    let placement = ExpertPlacement(expertCount: 4, rankCount: 2)
    let arrangement = ExpertArrangement(expertCount: 4).applying(
      Replacement(from: [0, 0, 1, 1], to: [1, 0, 0, 1]), placement)
    let decision = RoutingDecision(
      expertsPerToken: 2, expertIDs: [0, 3, 2, 1], gateWeights: [0.75, 0.25, 0.5, 0.5],
      isKept: [true, false, true, true])
    let moved = decision.inSlots(of: arrangement)
    #expect(moved.expertIDs == [2, 3, 0, 1])
    #expect(moved.gateWeights == decision.gateWeights && moved.isKept == decision.isKept)
  }
}
