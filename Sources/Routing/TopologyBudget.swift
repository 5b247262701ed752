import Tensors

/// A limit on the rows that a rank's tokens send to other hosts, after FasterMoE's topology-aware gate (He et al., PPoPP
/// 2022, section 4.3). It changes what the model computes, and depends on how many ranks there are.
///
/// A row is a token and a rank of another host: it carries all of the token's choices that live there, as the exchange
/// sends it. A token's plain choices are its K most probable experts, and a row's score is the probability of the first of
/// them that it carries. The `rows` rows of the highest scores leave (ties to the lower token, then rank); each choice of
/// any other row gives way to the most probable expert of the own host that the token has not chosen yet (ties to the lower
/// expert). So exactly min(rows, rows wanted) leave, and no more tokens than that by their first choice, or by their
/// second, and so on. Where the own host has no expert left, the choice is dropped, as one without a capacity slot is.
///
/// FasterMoE limits first choices only, and of two.
package struct TopologyBudget: Hashable, Sendable {
  /// The rank that each expert lives on. [E]
  package let rankOfExpert: [Int]
  /// The host of each rank. [P]
  package let hostOfRank: [Int]
  /// The host of the rank that routes.
  package let ownHost: Int
  /// How many rows of one batch may leave.
  package let rows: Int

  package init(rankOfExpert: [Int], hostOfRank: [Int], ownHost: Int, rows: Int) {
    precondition(rows >= 0, "a budget of \(rows) rows")
    precondition(rankOfExpert.allSatisfy(hostOfRank.indices.contains), "experts of ranks without a host")
    self.rankOfExpert = rankOfExpert
    self.hostOfRank = hostOfRank
    self.ownHost = ownHost
    self.rows = rows
  }
}

/// Each token's experts in order of probability, and which of them its row may travel to. [T · K]
struct RouterChoices {
  var expertIDs: [Int32]
  let expertsPerToken: Int
  /// All if nil.
  var isReachable: [Bool]?
}

extension TopologyBudget {
  /// A token's wish to send a row to a rank of another host.
  private struct Row {
    let token: Int
    let rank: Int
    let score: Float
  }

  /// - Parameter probabilities: [T, E]
  func limit(_ choices: inout RouterChoices, _ probabilities: Tensor) {
    let wanted = wantedRows(choices, probabilities)
    guard wanted.count > rows else { return }
    let ranked = wanted.sorted {
      $0.score != $1.score ? $0.score > $1.score : ($0.token, $0.rank) < ($1.token, $1.rank)
    }
    var deniedRanks: [Int: Set<Int>] = [:]
    for row in ranked[rows...] { deniedRanks[row.token, default: []].insert(row.rank) }
    var isReachable = Array(repeating: true, count: choices.expertIDs.count)
    for (token, ranks) in deniedRanks {
      let range = token * choices.expertsPerToken..<(token + 1) * choices.expertsPerToken
      let final = chooseAgain(Array(choices.expertIDs[range]), without: ranks, probabilities[rows: token..<token + 1])
      for (assignment, choice) in zip(range, final) {
        choices.expertIDs[assignment] = choice.expert
        isReachable[assignment] = choice.isReachable
      }
    }
    choices.isReachable = isReachable
  }

  private func wantedRows(_ choices: RouterChoices, _ probabilities: Tensor) -> [Row] {
    var rows: [Row] = []
    for token in 0..<probabilities.rows {
      var ranks: [Int] = []
      for choice in 0..<choices.expertsPerToken {
        let expert = Int(choices.expertIDs[token * choices.expertsPerToken + choice])
        let rank = rankOfExpert[expert]
        guard !isInside(rank) && !ranks.contains(rank) else { continue }
        ranks.append(rank)
        rows.append(Row(token: token, rank: rank, score: probabilities[token, expert]))
      }
    }
    return rows
  }

  private func isInside(_ rank: Int) -> Bool { hostOfRank[rank] == ownHost }

  /// One token's choices when its rows to some ranks may not leave.
  private func chooseAgain(
    _ experts: [Int32], without ranks: Set<Int>, _ probabilities: Tensor
  ) -> [(expert: Int32, isReachable: Bool)] {
    func isBefore(_ left: Int32, _ right: Int32) -> Bool {
      let (p, q) = (probabilities[0, Int(left)], probabilities[0, Int(right)])
      return p != q ? p > q : left < right
    }
    var inside = rankOfExpert.indices.filter { isInside(rankOfExpert[$0]) }.map(Int32.init)
      .filter { !experts.contains($0) }.sorted(by: isBefore)[...]
    let chosen = experts.map { expert -> (expert: Int32, isReachable: Bool) in
      guard ranks.contains(rankOfExpert[Int(expert)]) else { return (expert, true) }
      guard let other = inside.popFirst() else { return (expert, false) }
      return (other, true)
    }
    return chosen.sorted { isBefore($0.expert, $1.expert) }
  }
}
