package import Planning
import Tensors

/// A limit on the rows that a rank's tokens send to other hosts, after FasterMoE's topology-aware gate (He et al., PPoPP
/// 2022, section 4.3). It changes what the model computes, and depends on how many ranks there are.
///
/// A row is a token and another host: it carries all of the token's choices that live there. A token's plain choices are
/// its K most probable experts, and a row's score is the probability of the first of them that it carries. The `rows` rows
/// of the highest scores leave (ties to the lower token, then host); each choice of any other row gives way to the most
/// probable expert of the own host that the token has not chosen yet (ties to the lower expert). So exactly
/// min(rows, rows wanted) leave, and no more tokens than that by their first choice, or by their second, and so on.
/// Where the own host has no expert left, the choice is dropped, as one without a capacity slot is.
///
/// FasterMoE limits first choices only, and of two.
package struct TopologyBudget: Hashable, Sendable {
  /// The host that each expert lives on. [E]
  package let hostOfExpert: [Int]
  /// The host of the rank that routes.
  package let ownHost: Int
  /// How many rows of one batch may leave.
  package let rows: Int

  package init(hostOfExpert: [Int], ownHost: Int, rows: Int) {
    precondition(rows >= 0, "a budget of \(rows) rows")
    self.hostOfExpert = hostOfExpert
    self.ownHost = ownHost
    self.rows = rows
  }

  /// FasterMoE's budget, with which rows to other hosts take as long as those inside: L = W_net / (M · W_local) · B for B
  /// tokens a rank, M ranks a host. `machine.otherHost` is one rank's share of the host's link already, W_net / M.
  package static func balancedRows(tokenCount: Int, expertsPerToken: Int, machine: MachineModel) -> Int {
    let share = machine.otherHost.bytesPerSecond / machine.sameHost.bytesPerSecond
    return Int(min(share, Double(expertsPerToken)) * Double(tokenCount))
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
  /// A token's wish to send a row to another host.
  private struct Row {
    let token: Int
    let host: Int
    let score: Float
  }

  /// - Parameter probabilities: [T, E]
  func limit(_ choices: inout RouterChoices, _ probabilities: Tensor) {
    let wanted = wantedRows(choices, probabilities)
    guard wanted.count > rows else { return }
    let ranked = wanted.sorted {
      $0.score != $1.score ? $0.score > $1.score : ($0.token, $0.host) < ($1.token, $1.host)
    }
    var deniedHosts: [Int: Set<Int>] = [:]
    for row in ranked[rows...] { deniedHosts[row.token, default: []].insert(row.host) }
    var isReachable = Array(repeating: true, count: choices.expertIDs.count)
    for (token, hosts) in deniedHosts {
      let range = token * choices.expertsPerToken..<(token + 1) * choices.expertsPerToken
      let final = chooseAgain(Array(choices.expertIDs[range]), without: hosts, probabilities[rows: token..<token + 1])
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
      var hosts: [Int] = []
      for choice in 0..<choices.expertsPerToken {
        let expert = Int(choices.expertIDs[token * choices.expertsPerToken + choice])
        let host = hostOfExpert[expert]
        guard host != ownHost && !hosts.contains(host) else { continue }
        hosts.append(host)
        rows.append(Row(token: token, host: host, score: probabilities[token, expert]))
      }
    }
    return rows
  }

  /// One token's choices when its rows to some hosts may not leave.
  private func chooseAgain(
    _ experts: [Int32], without hosts: Set<Int>, _ probabilities: Tensor
  ) -> [(expert: Int32, isReachable: Bool)] {
    func isBefore(_ left: Int32, _ right: Int32) -> Bool {
      let (p, q) = (probabilities[0, Int(left)], probabilities[0, Int(right)])
      return p != q ? p > q : left < right
    }
    var inside = hostOfExpert.indices.filter { hostOfExpert[$0] == ownHost }.map(Int32.init)
      .filter { !experts.contains($0) }.sorted(by: isBefore)[...]
    let chosen = experts.map { expert -> (expert: Int32, isReachable: Bool) in
      guard hosts.contains(hostOfExpert[Int(expert)]) else { return (expert, true) }
      guard let other = inside.popFirst() else { return (expert, false) }
      return (other, true)
    }
    return chosen.sorted { isBefore($0.expert, $1.expert) }
  }
}
