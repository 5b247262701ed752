import Planning
import Routing
import Tensors
import Testing

@Suite("Topology budget")
struct TopologyBudgetTests {
  /// Random tokens on one of several hosts.
  struct Draw {
    let rankOfExpert: [Int]
    let ownHost: Int
    let expertCount, expertsPerToken, tokenCount: Int
    private let seed: UInt64

    init(seed: Int) {
      let random = CounterRandom(seed: UInt64(seed), stream: "topology")
      func integer(_ index: UInt64, _ range: ClosedRange<Int>) -> Int {
        range.lowerBound + random.index(index, below: range.count)
      }
      let (experts, hosts) = (integer(0, 2...12), integer(1, 1...4))
      expertCount = experts
      expertsPerToken = integer(2, 1...min(4, experts))
      tokenCount = integer(3, 0...40)
      // Two ranks a host. Not every rank need have experts, nor as many as a token chooses.
      rankOfExpert = (0..<experts).map { integer(10 + UInt64($0), 0...2 * hosts - 1) }
      ownHost = integer(4, 0...hosts - 1)
      self.seed = UInt64(seed)
    }

    func routing(rows: Int?) -> RouterCase {
      RouterCase(
        tokenCount: tokenCount, hiddenSize: 6, expertCount: expertCount, expertsPerToken: expertsPerToken, seed: seed,
        topology: rows.map {
          TopologyBudget(rankOfExpert: rankOfExpert, hostOfRank: (0..<8).map { $0 / 2 }, ownHost: ownHost, rows: $0)
        })
    }

    func isInside(_ expert: Int) -> Bool { rankOfExpert[expert] / 2 == ownHost }

    /// The ranks of other hosts that a token's kept choices need, each with the token's best probability there.
    func rows(of token: Int, _ saved: TopKRouter.Saved) -> [Int: Float] {
      var rows: [Int: Float] = [:]
      for assignment in token * expertsPerToken..<(token + 1) * expertsPerToken {
        let expert = Int(saved.decision.expertIDs[assignment])
        guard saved.decision.isKept[assignment] && !isInside(expert) else { continue }
        rows[rankOfExpert[expert]] = max(rows[rankOfExpert[expert]] ?? 0, saved.probabilities[token, expert])
      }
      return rows
    }
  }

  @Test("is used up exactly and never exceeded, over all choices and for each one", arguments: 0..<200)
  func exact(seed: Int) {
    let draw = Draw(seed: seed)
    let plain = draw.routing(rows: nil).forward()
    let wanted = (0..<draw.tokenCount).reduce(0) { $0 + draw.rows(of: $1, plain).count }
    for budget in [0, 1, wanted / 3, max(0, wanted - 1), wanted, wanted + 1] {
      let saved = draw.routing(rows: budget).forward()
      let decision = saved.decision
      var rows = 0
      var leaving = Array(repeating: 0, count: draw.expertsPerToken)
      for token in 0..<draw.tokenCount {
        rows += draw.rows(of: token, saved).count
        for choice in 0..<draw.expertsPerToken {
          let assignment = token * draw.expertsPerToken + choice
          let isInside = draw.isInside(Int(decision.expertIDs[assignment]))
          if decision.isKept[assignment] && !isInside { leaving[choice] += 1 }
        }
      }
      #expect(rows == min(budget, wanted))
      #expect(leaving.allSatisfy { $0 <= budget }, "\(leaving) of \(budget)")
    }
  }

  @Test("lets the rows of the highest scores leave", arguments: 0..<200)
  func highestScores(seed: Int) {
    let draw = Draw(seed: seed)
    let plain = draw.routing(rows: nil).forward()
    let wanted = (0..<draw.tokenCount).map { draw.rows(of: $0, plain) }
    let saved = draw.routing(rows: wanted.reduce(0) { $0 + $1.count } / 2).forward()
    var (left, stayed): ([Float], [Float]) = ([], [])
    for token in 0..<draw.tokenCount {
      let rows = draw.rows(of: token, saved)
      for (rank, score) in wanted[token] {
        if rows[rank] != nil { left.append(score) } else { stayed.append(score) }
      }
      #expect(Set(rows.keys).isSubset(of: wanted[token].keys))
    }
    #expect((left.min() ?? 1) >= (stayed.max() ?? 0))
  }

  @Test("replaces a choice that may not leave by the best of the host, in order of probability", arguments: 0..<200)
  func replacements(seed: Int) {
    let draw = Draw(seed: seed)
    let (plain, saved) = (draw.routing(rows: nil).forward(), draw.routing(rows: 3).forward())
    for token in 0..<draw.tokenCount {
      func probability(_ expert: Int) -> Float { saved.probabilities[token, expert] }
      let range = token * draw.expertsPerToken..<(token + 1) * draw.expertsPerToken
      let before = plain.decision.expertIDs[range].map(Int.init)
      let after = saved.decision.expertIDs[range].map(Int.init)
      let ranks = draw.rows(of: token, saved).keys
      let allowed = before.filter { draw.isInside($0) || ranks.contains(draw.rankOfExpert[$0]) }
      let inside = (0..<draw.expertCount).filter { draw.isInside($0) && !before.contains($0) }
        .sorted { (-probability($0), $0) < (-probability($1), $1) }
      let kept = allowed + inside.prefix(before.count - allowed.count)
      #expect(Set(zip(range, after).filter { saved.decision.isKept[$0.0] }.map(\.1)) == Set(kept))
      #expect(Set(after).count == after.count)
      #expect(after == after.sorted { (-probability($0), $0) < (-probability($1), $1) })
      // Weights are divided by the sum over the final choices, a dropped one included.
      let sum = after.reduce(0) { $0 + probability($1) }
      for (assignment, expert) in zip(range, after) {
        #expect(abs(saved.decision.gateWeights[assignment] - probability(expert) / sum) < 1e-6)
      }
    }
  }

  @Test("changes nothing, to the bit, when it is large enough", arguments: 0..<50)
  func unlimited(seed: Int) {
    let draw = Draw(seed: seed)
    #expect(draw.routing(rows: .max).forward().decision == draw.routing(rows: nil).forward().decision)
  }

  @Test("gives equal scores to the lower token")
  func ties() {
    let topology = TopologyBudget(rankOfExpert: [1, 0, 0, 1], hostOfRank: [0, 1], ownHost: 0, rows: 2)
    let routing = RouterCase(tokenCount: 4, hiddenSize: 3, expertCount: 4, expertsPerToken: 2, topology: topology)
    routing.layers[0].weight.fill(0)
    #expect(routing.forward().decision.expertIDs == [0, 1, 0, 1, 1, 2, 1, 2])
  }

  @Test("drops choices that the own host has no experts for, which take no capacity slot")
  func tooFewExperts() {
    let topology = TopologyBudget(rankOfExpert: [1, 0, 1, 1], hostOfRank: [0, 1], ownHost: 0, rows: 1)
    let routing = RouterCase(tokenCount: 4, hiddenSize: 3, expertCount: 4, expertsPerToken: 2, topology: topology)
    routing.layers[0].weight.fill(0)
    let decision = routing.forward().decision
    #expect(decision.expertIDs == [0, 1, 0, 1, 0, 1, 0, 1])
    #expect(decision.isKept == [true, true, false, true, false, true, false, true])
    #expect(decision.gateWeights == Array(repeating: 0.5, count: 8))
    // The last token has the only row and the highest score; one slot is left for it.
    routing.layers[0].x.fill(0)
    routing.layers[0].weight[0, 0] = 1
    routing.layers[0].x[3, 0] = 1
    let limited = routing.forward(capacity: .limited(factor: 0.5)).decision
    #expect(limited.isKept == [false, true, false, false, false, false, true, false])
  }

  @Test("gives weights of 0 where the own host's experts have no probability")
  func noProbability() {
    let topology = TopologyBudget(rankOfExpert: [1, 0, 0], hostOfRank: [0, 1], ownHost: 0, rows: 0)
    let routing = RouterCase(tokenCount: 2, hiddenSize: 1, expertCount: 3, expertsPerToken: 2, topology: topology)
    routing.layers[0].x.fill(1)
    routing.layers[0].weight.fill(0)
    routing.layers[0].weight[0, 0] = 500
    let (x, weight) = routing.layers[0]
    let saved = routing.forward()
    #expect(saved.decision.gateWeights == [0, 0, 0, 0] && saved.decision.expertIDs == [1, 2, 1, 2])
    let (dx, dWeight) = (Tensor(zeros: x.shape), Tensor(zeros: weight.shape))
    routing.router.backward(
      Tensor([5, -3, 100, 7], shape: Shape(rows: 4, columns: 1)), x: x, weight: weight, saved: saved,
      lossGradient: .none(expertCount: 3), accumulatingInto: dx, accumulatingWeight: dWeight,
      workspace: routing.workspace, workers: routing.workers)
    #expect(dx.buffer.elements == [0, 0] && dWeight.buffer.elements == [0, 0, 0])
  }

  @Test("is W_net / (M · W_local) of the tokens by FasterMoE's rule")
  func fasterMoE() {
    // 50 Gbit/s for four ranks, 88 Gbit/s inside: its default of 0.14.
    let link = LinkCost(latencySeconds: 0, bytesPerSecond: 88e9 / 8)
    var machine = MachineModel(
      sameHost: link, otherHost: LinkCost(latencySeconds: 0, bytesPerSecond: 50e9 / 8 / 4),
      matmul: MatmulRate(points: [.init(rows: 1, flopsPerSecond: 1)]), copyBytesPerSecond: 1)
    #expect(abs(TopologyGate.balancedShare(expertsPerToken: 2, machine: machine) - 0.142) < 1e-3)
    machine.otherHost.bytesPerSecond = .infinity
    #expect(TopologyGate.balancedShare(expertsPerToken: 2, machine: machine) == 2)
  }

  @Test("of a batch is the share of its tokens, rounded down, whatever the share")
  func budgets() {
    func rows(_ share: Double, _ tokens: Int) -> Int {
      TopologyGate(rankOfExpert: [0, 1, 1], hostOfRank: [0, 1], ownHost: 0, leavingShare: share).budget(
        tokenCount: tokens
      ).rows
    }
    #expect(rows(0.5, 7) == 3 && rows(0, 7) == 0 && rows(1.5, 7) == 10 && rows(0.3, 0) == 0)
    #expect(rows(.infinity, 7) == 21 && rows(.infinity, 0) == 0)
  }
}
