package import Topology

/// What one rank sends to each peer of its expert-parallel group, and how the results add up when they are back.
///
/// A token's row goes to a peer once, however many of its experts live there; rows are in order of (first of the peer's
/// experts that the token chose, token), so that the first expert can begin when the first rows are there. Results travel
/// as *return rows*: a token whose kept assignments all live on one peer is summed there, in order of choice, and comes
/// back as one row; otherwise each assignment's weighted result comes back as a row of its own. Both give the bits of the
/// sum taken at home. Return rows are in order of (last expert of their sum, token), so that the first can leave when the
/// first expert is done.
///
/// An expert of another rank can be *shadowed*: its parameters are brought here, and this rank's assignments to it do not
/// travel. Experts are counted in *slots*: each peer's experts in order, peer after peer, this rank's shadows behind its own
/// experts.
///
/// The plan is the handle: the backward pass of combine is a dispatch under the same plan and that of dispatch a combine.
///
/// - Complexity: O(T·K + E) for T tokens, K experts per token, E experts.
package struct DispatchPlan: Hashable, Sendable {
  package let tokenCount: Int
  package let rank: Rank
  package let placement: ExpertPlacement
  /// Experts of other ranks whose assignments are computed here, in order.
  package let shadows: [GlobalExpert]
  /// For each row, the token it copies; peers one after another. [rows]
  package private(set) var tokenOfRow: [Int32] = []
  /// Where each peer's rows begin. [P + 1]
  package private(set) var rowOffsets: [Int] = []
  /// What the experts have to do, ordered by (slot, token). [A]
  package private(set) var assignments: [Assignment] = []
  /// Where each slot's assignments begin. [slots + 1]
  package private(set) var slotOffsets: [Int] = []
  /// How many rows come back from each peer. [P]
  package private(set) var returnRowCounts: [Int] = []
  /// For each peer, the token of each row that comes back. [P][rows]
  package private(set) var tokenOfReturnRow: [[Int32]] = []
  /// Where each token's parts begin. [T + 1]
  package private(set) var partOffsets: [Int32] = [0]
  /// The summands of the tokens' results, each token's in order of choice.
  package private(set) var parts: [Part] = []

  /// One kept (token, choice) pair as the rank that hosts its expert needs it.
  package struct Assignment: Hashable, Sendable {
    /// The index in the routing decision: `token · K + choice`.
    package let index: Int32
    /// Which of the rows sent to the peer holds the token.
    package let row: Int32
    /// Which of the rows that the peer sends back its result is added to.
    package let returnRow: Int32
    package let weight: Float
  }

  /// One summand of a token's result.
  package struct Part: Hashable, Sendable {
    package let peer: Int32
    /// For this rank's own experts the index in `assignments`; for another peer the row that comes back.
    package let index: Int32
  }

  /// - Parameter shadows: experts of other ranks, in order.
  package init(
    _ decision: RoutingDecision, placement: ExpertPlacement, rank: Rank, shadows: [GlobalExpert] = []
  ) {
    tokenCount = decision.tokenCount
    self.rank = rank
    self.placement = placement
    self.shadows = shadows
    let slots = ExpertSlots(placement, rank: rank, shadows: shadows)
    let visits = Visits(decision, slots)
    orderRows(visits, slots)
    let rowOfLeader = numberRows(visits)
    countAssignments(visits, slots)
    let returnRows = numberReturns(visits, rowOfLeader)
    listAssignments(decision, visits, rowOfLeader, returnRows)
  }

  package func rows(to peer: Rank) -> Range<Int> { rowOffsets[peer.index]..<rowOffsets[peer.index + 1] }

  /// The slots of the experts that a peer computes for this rank.
  package func slots(of peer: Rank) -> Range<Int> {
    let experts = placement.experts(of: peer)
    return switch peer.index - rank.index {
    case ..<0: experts
    case 0: experts.lowerBound..<experts.upperBound + shadows.count
    default: experts.lowerBound + shadows.count..<experts.upperBound + shadows.count
    }
  }

  /// The assignments that a peer computes.
  package func assignments(of peer: Rank) -> Range<Int> {
    let slots = slots(of: peer)
    return slotOffsets[slots.lowerBound]..<slotOffsets[slots.upperBound]
  }

  package func assignmentCount(ofSlot slot: Int) -> Int { slotOffsets[slot + 1] - slotOffsets[slot] }
}

/// Where each expert is computed, seen from one rank.
private struct ExpertSlots {
  let count: Int
  /// [E]
  let slotOfExpert: [Int32]
  /// [slots]
  let hostOfSlot: [Int32]

  init(_ placement: ExpertPlacement, rank: Rank, shadows: [GlobalExpert]) {
    let own = placement.experts(of: rank)
    count = placement.expertCount + shadows.count
    var slots = (0..<placement.expertCount).map { Int32($0 < own.upperBound ? $0 : $0 + shadows.count) }
    var hosts = Array(repeating: Int32(rank.index), count: count)
    for (expert, slot) in slots.enumerated() {
      hosts[Int(slot)] = Int32(placement.host(of: GlobalExpert(expert)).index)
    }
    for (place, expert) in shadows.enumerated() {
      precondition(!own.contains(expert.index), "a shadow of expert \(expert.index) on its own \(rank)")
      slots[expert.index] = Int32(own.upperBound + place)
    }
    slotOfExpert = slots
    hostOfSlot = hosts
  }
}

/// The kept assignments of each token, grouped into visits: one visit is one token at one peer.
private struct Visits {
  let choices: Int
  /// The slot of each assignment. [T · K]
  let slotIDs: [Int32]
  let hosts: [Int32]
  /// For each assignment, the first assignment of the same token at the same peer, or −1 if it was dropped. [T · K]
  var leader: [Int32]
  /// For each leader, the lowest and the highest slot that the token chose at that peer. [T · K]
  var firstSlot, lastSlot: [Int32]
  /// For each leader, how many assignments the visit has. [T · K]
  var size: [Int32]
  /// How many kept assignments each token has. [T]
  var keptCount: [Int32]

  init(_ decision: RoutingDecision, _ slots: ExpertSlots) {
    choices = decision.expertsPerToken
    slotIDs = decision.expertIDs.map { slots.slotOfExpert[Int($0)] }
    hosts = slots.hostOfSlot
    leader = Array(repeating: -1, count: decision.assignmentCount)
    firstSlot = slotIDs
    lastSlot = slotIDs
    size = Array(repeating: 0, count: decision.assignmentCount)
    keptCount = Array(repeating: 0, count: decision.tokenCount)
    for assignment in 0..<decision.assignmentCount where decision.isKept[assignment] {
      let token = assignment / choices
      keptCount[token] += 1
      let found = findLeader(of: assignment, from: token * choices)
      leader[assignment] = Int32(found)
      size[found] += 1
      firstSlot[found] = min(firstSlot[found], slotIDs[assignment])
      lastSlot[found] = max(lastSlot[found], slotIDs[assignment])
    }
  }

  func host(_ assignment: Int) -> Int { Int(hosts[Int(slotIDs[assignment])]) }
  func isLeader(_ assignment: Int) -> Bool { leader[assignment] == Int32(assignment) }

  /// All of the token's kept assignments are at this peer.
  func isWholeToken(_ leader: Int) -> Bool { size[leader] == keptCount[leader / choices] }

  /// The slot after which the return row of an assignment is complete; nil where another assignment stands for it.
  func lastSlotOfReturn(_ assignment: Int) -> Int? {
    guard leader[assignment] >= 0 else { return nil }
    guard isWholeToken(Int(leader[assignment])) else { return Int(slotIDs[assignment]) }
    return isLeader(assignment) ? Int(lastSlot[assignment]) : nil
  }

  private func findLeader(of assignment: Int, from first: Int) -> Int {
    var candidate = first
    while candidate < assignment {
      if leader[candidate] >= 0 && host(candidate) == host(assignment) { return candidate }
      candidate += 1
    }
    return assignment
  }
}

extension DispatchPlan {
  /// Counting sort of the visits by first slot. Slots of a peer are contiguous, so this orders by peer as well.
  private mutating func orderRows(_ visits: Visits, _ slots: ExpertSlots) {
    var counts = Array(repeating: 0, count: slots.count + 1)
    for assignment in visits.leader.indices where visits.isLeader(assignment) {
      counts[Int(visits.firstSlot[assignment]) + 1] += 1
    }
    for slot in 0..<slots.count { counts[slot + 1] += counts[slot] }
    rowOffsets = placement.ranks.map { counts[self.slots(of: $0).lowerBound] }
    rowOffsets.append(counts[slots.count])
    tokenOfRow = Array(repeating: 0, count: counts[slots.count])
    slotOffsets = counts
  }

  /// Gives each visit its row, counted from the first of its peer. Until `countAssignments`, `slotOffsets` holds row offsets.
  private mutating func numberRows(_ visits: Visits) -> [Int32] {
    var next = slotOffsets
    var rowOfLeader = Array(repeating: Int32(-1), count: visits.leader.count)
    for assignment in visits.leader.indices where visits.isLeader(assignment) {
      let slot = Int(visits.firstSlot[assignment])
      tokenOfRow[next[slot]] = Int32(assignment / visits.choices)
      rowOfLeader[assignment] = Int32(next[slot] - rowOffsets[visits.host(assignment)])
      next[slot] += 1
    }
    return rowOfLeader
  }

  private mutating func countAssignments(_ visits: Visits, _ slots: ExpertSlots) {
    slotOffsets = Array(repeating: 0, count: slots.count + 1)
    for (leader, slot) in zip(visits.leader, visits.slotIDs) where leader >= 0 { slotOffsets[Int(slot) + 1] += 1 }
    for slot in 0..<slots.count { slotOffsets[slot + 1] += slotOffsets[slot] }
  }

  /// Numbers the rows that come back, by a counting sort on the slot that completes them; gives that of each assignment
  /// that stands for one. [T · K]
  private mutating func numberReturns(_ visits: Visits, _ rowOfLeader: [Int32]) -> [Int32] {
    var next = Array(repeating: 0, count: slotOffsets.count)
    for assignment in visits.leader.indices {
      if let slot = visits.lastSlotOfReturn(assignment) { next[slot + 1] += 1 }
    }
    for slot in 0..<slotOffsets.count - 1 { next[slot + 1] += next[slot] }
    let offsets = placement.ranks.map { next[slots(of: $0).lowerBound] } + [next[slotOffsets.count - 1]]
    returnRowCounts = placement.ranks.map { offsets[$0.index + 1] - offsets[$0.index] }
    tokenOfReturnRow = returnRowCounts.map { Array(repeating: 0, count: $0) }
    var returnRows = Array(repeating: Int32(-1), count: visits.leader.count)
    for assignment in visits.leader.indices {
      guard let slot = visits.lastSlotOfReturn(assignment) else { continue }
      let host = visits.host(assignment)
      let row = next[slot] - offsets[host]
      next[slot] += 1
      returnRows[assignment] = Int32(row)
      tokenOfReturnRow[host][row] = Int32(assignment / visits.choices)
    }
    return returnRows
  }

  /// Lists assignments by slot and the tokens' parts by choice.
  private mutating func listAssignments(
    _ decision: RoutingDecision, _ visits: Visits, _ rowOfLeader: [Int32], _ returnRows: [Int32]
  ) {
    let unset = Assignment(index: -1, row: -1, returnRow: -1, weight: 0)
    assignments = Array(repeating: unset, count: slotOffsets[slotOffsets.count - 1])
    var next = slotOffsets
    for token in 0..<tokenCount {
      for index in token * visits.choices..<(token + 1) * visits.choices where decision.isKept[index] {
        let leader = Int(visits.leader[index])
        let isSummedThere = visits.isWholeToken(leader)
        let returnRow = returnRows[isSummedThere ? leader : index]
        let peer = visits.host(index)
        let slot = Int(visits.slotIDs[index])
        if peer == rank.index {
          parts.append(Part(peer: Int32(peer), index: Int32(next[slot])))
        } else if !isSummedThere || index == leader {
          parts.append(Part(peer: Int32(peer), index: returnRow))
        }
        assignments[next[slot]] = Assignment(
          index: Int32(index), row: rowOfLeader[leader], returnRow: returnRow, weight: decision.gateWeights[index])
        next[slot] += 1
      }
      partOffsets.append(Int32(parts.count))
    }
  }
}
