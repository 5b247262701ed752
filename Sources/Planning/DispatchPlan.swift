package import Topology

/// What one rank sends to each peer of its expert-parallel group, and how the results add up when they are back.
///
/// A token's row goes to a peer once, however many of its experts live there; rows are in order of (first of the peer's
/// experts that the token chose, token). Results travel as *return rows*: a token whose kept assignments all live on one
/// peer is summed there, in order of choice, and comes back as one row; otherwise each assignment's weighted result comes
/// back as a row of its own. Both give the bits of the sum taken at home.
///
/// The plan is the handle: the backward pass of combine is a dispatch under the same plan and that of dispatch a combine.
///
/// - Complexity: O(T·K + E) for T tokens, K experts per token, E experts.
package struct DispatchPlan: Hashable, Sendable {
  package let tokenCount: Int
  package let rank: Rank
  package let placement: ExpertPlacement
  /// For each row, the token it copies; peers one after another. [rows]
  package private(set) var tokenOfRow: [Int32] = []
  /// Where each peer's rows begin. [P + 1]
  package private(set) var rowOffsets: [Int] = []
  /// What the experts have to do, ordered by (expert, token). [A]
  package private(set) var assignments: [Assignment] = []
  /// Where each expert's assignments begin. [E + 1]
  package private(set) var expertOffsets: [Int] = []
  /// How many rows come back from each peer. [P]
  package private(set) var returnRowCounts: [Int] = []
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

  package init(_ decision: RoutingDecision, placement: ExpertPlacement, rank: Rank) {
    tokenCount = decision.tokenCount
    self.rank = rank
    self.placement = placement
    let hosts = (0..<placement.expertCount).map { Int32(placement.host(of: GlobalExpert($0)).index) }
    let visits = Visits(decision, hosts: hosts)
    orderRows(visits)
    let rowOfLeader = numberRows(visits)
    let firstReturnOfRow = numberReturns(visits, rowOfLeader)
    listAssignments(decision, visits, rowOfLeader, firstReturnOfRow)
  }

  package func rows(to peer: Rank) -> Range<Int> { rowOffsets[peer.index]..<rowOffsets[peer.index + 1] }

  /// The assignments of the experts that a peer hosts.
  package func assignments(of peer: Rank) -> Range<Int> {
    let experts = placement.experts(of: peer)
    return expertOffsets[experts.lowerBound]..<expertOffsets[experts.upperBound]
  }

  package func assignmentCount(of expert: GlobalExpert) -> Int {
    expertOffsets[expert.index + 1] - expertOffsets[expert.index]
  }
}

/// The kept assignments of each token, grouped into visits: one visit is one token at one peer.
private struct Visits {
  let choices: Int
  let expertIDs: [Int32]
  let hosts: [Int32]
  /// For each assignment, the first assignment of the same token at the same peer, or −1 if it was dropped. [T · K]
  var leader: [Int32]
  /// For each leader, the lowest expert that the token chose at that peer. [T · K]
  var firstExpert: [Int32]
  /// For each leader, how many assignments the visit has. [T · K]
  var size: [Int32]
  /// How many kept assignments each token has. [T]
  var keptCount: [Int32]

  init(_ decision: RoutingDecision, hosts: [Int32]) {
    choices = decision.expertsPerToken
    expertIDs = decision.expertIDs
    self.hosts = hosts
    leader = Array(repeating: -1, count: decision.assignmentCount)
    firstExpert = decision.expertIDs
    size = Array(repeating: 0, count: decision.assignmentCount)
    keptCount = Array(repeating: 0, count: decision.tokenCount)
    for assignment in 0..<decision.assignmentCount where decision.isKept[assignment] {
      let token = assignment / choices
      keptCount[token] += 1
      let found = findLeader(of: assignment, from: token * choices)
      leader[assignment] = Int32(found)
      size[found] += 1
      firstExpert[found] = min(firstExpert[found], expertIDs[assignment])
    }
  }

  func host(_ assignment: Int) -> Int32 { hosts[Int(expertIDs[assignment])] }
  func isLeader(_ assignment: Int) -> Bool { leader[assignment] == Int32(assignment) }

  /// All of the token's kept assignments are at this peer.
  func isWholeToken(_ leader: Int) -> Bool { size[leader] == keptCount[leader / choices] }

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
  /// Counting sort of the visits by first expert. Experts of a peer are contiguous, so this orders by peer as well.
  private mutating func orderRows(_ visits: Visits) {
    var counts = Array(repeating: 0, count: placement.expertCount + 1)
    for assignment in visits.leader.indices where visits.isLeader(assignment) {
      counts[Int(visits.firstExpert[assignment]) + 1] += 1
    }
    for expert in 0..<placement.expertCount { counts[expert + 1] += counts[expert] }
    rowOffsets = (0..<placement.rankCount).map { counts[placement.experts(of: Rank($0)).lowerBound] }
    rowOffsets.append(counts[placement.expertCount])
    tokenOfRow = Array(repeating: 0, count: counts[placement.expertCount])
    expertOffsets = counts
  }

  /// Gives each visit its row, counted from the first of its peer. Until `listAssignments`, `expertOffsets` holds row offsets.
  private mutating func numberRows(_ visits: Visits) -> [Int32] {
    var next = expertOffsets
    var rowOfLeader = Array(repeating: Int32(-1), count: visits.leader.count)
    for assignment in visits.leader.indices where visits.isLeader(assignment) {
      let expert = Int(visits.firstExpert[assignment])
      tokenOfRow[next[expert]] = Int32(assignment / visits.choices)
      rowOfLeader[assignment] = Int32(next[expert] - rowOffsets[Int(visits.host(assignment))])
      next[expert] += 1
    }
    return rowOfLeader
  }

  /// Numbers the rows that come back in the order of the rows sent; gives the first of each row sent.
  private mutating func numberReturns(_ visits: Visits, _ rowOfLeader: [Int32]) -> [Int32] {
    var returns = Array(repeating: Int32(0), count: tokenOfRow.count)
    for assignment in visits.leader.indices where visits.isLeader(assignment) {
      let row = rowOffsets[Int(visits.host(assignment))] + Int(rowOfLeader[assignment])
      returns[row] = visits.isWholeToken(assignment) ? 1 : visits.size[assignment]
    }
    for peer in 0..<placement.rankCount {
      var next: Int32 = 0
      for row in rowOffsets[peer]..<rowOffsets[peer + 1] {
        let count = returns[row]
        returns[row] = next
        next += count
      }
      returnRowCounts.append(Int(next))
    }
    return returns
  }

  /// Lists assignments by expert and the tokens' parts by choice.
  private mutating func listAssignments(
    _ decision: RoutingDecision, _ visits: Visits, _ rowOfLeader: [Int32], _ firstReturnOfRow: [Int32]
  ) {
    let counts = decision.rowCounts(expertCount: placement.expertCount)
    expertOffsets = counts.reduce(into: [0]) { offsets, count in offsets.append((offsets.last ?? 0) + count) }
    let unset = Assignment(index: -1, row: -1, returnRow: -1, weight: 0)
    assignments = Array(repeating: unset, count: expertOffsets[placement.expertCount])
    var next = expertOffsets
    var visited = Array(repeating: Int32(0), count: visits.leader.count)
    for token in 0..<tokenCount {
      for index in token * visits.choices..<(token + 1) * visits.choices where decision.isKept[index] {
        let leader = Int(visits.leader[index])
        let peer = visits.host(index)
        let row = rowOfLeader[leader]
        let isSummedThere = visits.isWholeToken(leader)
        let firstReturn = firstReturnOfRow[rowOffsets[Int(peer)] + Int(row)]
        let returnRow = isSummedThere ? firstReturn : firstReturn + visited[leader]
        let position = next[Int(decision.expertIDs[index])]
        next[Int(decision.expertIDs[index])] += 1
        assignments[position] = Assignment(
          index: Int32(index), row: row, returnRow: returnRow, weight: decision.gateWeights[index])
        if peer == Int32(rank.index) {
          parts.append(Part(peer: peer, index: Int32(position)))
        } else if !isSummedThere || visited[leader] == 0 {
          parts.append(Part(peer: peer, index: returnRow))
        }
        visited[leader] += 1
      }
      partOffsets.append(Int32(parts.count))
    }
  }
}
