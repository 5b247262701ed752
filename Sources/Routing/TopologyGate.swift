package import Planning

/// What makes a `TopologyBudget` for each batch: where experts live, and which share of a rank's tokens may leave its host.
package struct TopologyGate: Hashable, Sendable {
  /// The rank that each expert lives on. [E]
  package let rankOfExpert: [Int]
  /// The host of each rank. [P]
  package let hostOfRank: [Int]
  /// The host of this rank.
  package let ownHost: Int
  /// Rows that may leave, for each token of a batch; the same on all ranks.
  package let leavingShare: Double

  package init(rankOfExpert: [Int], hostOfRank: [Int], ownHost: Int, leavingShare: Double) {
    precondition(leavingShare >= 0, "a share of \(leavingShare)")
    self.rankOfExpert = rankOfExpert
    self.hostOfRank = hostOfRank
    self.ownHost = ownHost
    self.leavingShare = leavingShare
  }

  /// - Parameter tokenCount: of the batch of this rank.
  package func budget(tokenCount: Int) -> TopologyBudget {
    let share = min(leavingShare, Double(rankOfExpert.count))
    return TopologyBudget(
      rankOfExpert: rankOfExpert, hostOfRank: hostOfRank, ownHost: ownHost, rows: Int(share * Double(tokenCount)))
  }

  /// FasterMoE's share, with which rows to other hosts take as long as those inside: L / B = W_net / (M · W_local) for M
  /// ranks a host; at most one row for each choice. `machine.otherHost` is one rank's share of the host's link already,
  /// W_net / M.
  package static func balancedShare(expertsPerToken: Int, machine: MachineModel) -> Double {
    min(machine.otherHost.bytesPerSecond / machine.sameHost.bytesPerSecond, Double(expertsPerToken))
  }
}
