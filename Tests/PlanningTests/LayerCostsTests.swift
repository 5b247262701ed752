import Planning
import TestSupport
import Testing
import Topology

@Suite("Layer costs")
struct LayerCostsTests {
  /// The model of the overlapped timeline in plain loops: every row, every hop of every chain.
  private func naiveSeconds(_ example: LayerExample, _ shadows: ShadowPlan) -> Double {
    let (costs, load, owners) = (example.costs, example.load, example.owners)
    let (shape, machine, ranks) = (costs.shape, costs.machine, 0..<load.rankCount)
    func host(_ rank: Int) -> Int { costs.hostOfRank[rank] }
    func isShadow(_ expert: Int, _ rank: Int) -> Bool { shadows.experts(on: Rank(rank)).contains(GlobalExpert(expert)) }
    func product(_ rows: Int) -> Double {
      rows == 0
        ? 0
        : Double(rows) * 2 * Double(shape.matrixCount * shape.hiddenSize * shape.intermediateSize)
          / machine.matmul.flopsPerSecond(rows: rows)
    }

    var compute = ranks.map { _ in 0.0 }
    for expert in owners.indices {
      let remaining = ranks.filter { $0 == owners[expert] || !isShadow(expert, $0) }.reduce(0) { $0 + load[$1, expert] }
      compute[owners[expert]] += product(remaining)
      for rank in ranks where isShadow(expert, rank) { compute[rank] += product(load[rank, expert]) }
    }

    var (sent, received) = ([Double](), [Double]())
    var latency = 0.0
    for isNear in [true, false] {
      for place in isNear ? Array(ranks) : Array(Set(costs.hostOfRank)) {
        let inside = ranks.filter { isNear ? $0 == place : host($0) == place }
        let rate = isNear ? machine.sameHost.bytesPerSecond : machine.otherHost.bytesPerSecond * Double(inside.count)
        var (rows, out, into) = (0, 0, 0)
        for one in inside {
          for other in ranks where other != one && (host(one) == host(other)) == isNear {
            rows += naiveRows(example, shadows, from: one, to: other)
            rows += naiveRows(example, shadows, from: other, to: one)
            for chain in shadows.chains {
              for (from, to) in zip([chain.owner] + chain.ranks, chain.ranks) {
                if from.index == one && to.index == other { out += 1 }
                if from.index == other && to.index == one { into += 1 }
              }
            }
          }
        }
        if rows > 0 { latency = max(latency, (isNear ? machine.sameHost : machine.otherHost).latencySeconds) }
        sent.append(Double(rows * shape.rowBytes + out * shape.parameterBytes) / rate)
        received.append(Double(rows * shape.rowBytes + into * shape.parameterBytes) / rate)
      }
    }

    var adding = ranks.map { _ in 0.0 }
    var filling = 0.0
    for chain in shadows.chains {
      var seconds = 0.0
      for (from, to) in zip([chain.owner] + chain.ranks, chain.ranks) {
        adding[from.index] += 3 * Double(shape.parameterBytes) / machine.copyBytesPerSecond
        let link = host(from.index) == host(to.index) ? machine.sameHost : machine.otherHost
        seconds += link.latencySeconds + 65_536 / link.bytesPerSecond
      }
      filling = max(filling, seconds)
    }
    // All ranks share their cores; the busiest has a core for itself at most.
    func shared(_ seconds: [Double]) -> Double {
      max(seconds.reduce(0, +) / Double(seconds.count), (seconds.max() ?? 0) / machine.soloSpeedup)
    }
    let links = (sent + received).max() ?? 0
    var forward = max(links, shared(compute))
    var backward = max(links, shared(ranks.map { 2 * compute[$0] + adding[$0] }))
    for rank in ranks {
      let mine = owners.indices.filter { isShadow($0, rank) }
      guard !mine.isEmpty else { continue }
      let rows = mine.reduce(0.0) { $0 + product(load[rank, $1]) } / machine.soloSpeedup
      var parameters = 0.0
      for isNear in [true, false] {
        let inside = ranks.filter { isNear ? $0 == rank : host($0) == host(rank) }
        let rate = isNear ? machine.sameHost.bytesPerSecond : machine.otherHost.bytesPerSecond * Double(inside.count)
        let hops = shadows.chains.flatMap { zip([$0.owner] + $0.ranks, $0.ranks) }.filter { from, to in
          inside.contains(to.index) && (host(from.index) == host(to.index)) == isNear
        }
        parameters = max(parameters, Double(hops.count * shape.parameterBytes) / rate)
      }
      forward = max(forward, parameters + rows)
      backward = max(backward, compute[rank] / machine.soloSpeedup + rows + parameters)
    }
    forward += 2 * latency + filling
    backward += 2 * latency + filling
    return costs.passes == .training ? forward + backward : forward
  }

  private func naiveRows(_ example: LayerExample, _ shadows: ShadowPlan, from source: Int, to owner: Int) -> Int {
    let load = example.load
    let counts = example.owners.indices.filter {
      example.owners[$0] == owner && !shadows.experts(on: Rank(source)).contains(GlobalExpert($0))
    }.map { Double(load[source, $0]) }
    let tokens = Double(load.tokenCounts[source])
    guard tokens > 0 else { return 0 }
    let union = tokens * (1 - counts.reduce(1) { $0 * (1 - $1 / tokens) })
    return Int(max(union.rounded(), (counts.reduce(0, +) / Double(load.expertsPerToken)).rounded(.up)))
  }

  @Test("are those of the model in plain loops, with and without shadows", arguments: 0..<150)
  func naive(seed: Int) {
    let example = LayerExample(seed: seed)
    let plan = example.policy.plan(example.load, owners: example.owners)
    for shadows in [plan, .none] {
      let (expected, predicted) = (naiveSeconds(example, shadows), example.predicted(shadows))
      #expect(abs(predicted - expected) <= 1e-9 * expected)
    }
  }

  /// A search adds ranks in any order; the chain's own order decides which links it takes.
  @Test("do not depend on the order in which shadows are listed", arguments: 0..<60)
  func listedOrder(seed: Int) {
    var generator = SeededGenerator(seed: seed)
    let example = LayerExample(seed: seed)
    let plan = example.policy.plan(example.load, owners: example.owners)
    let shuffled = ShadowPlan(
      plan.chains.shuffled(using: &generator).map {
        ShadowPlan.Chain(expert: $0.expert, owner: $0.owner, ranks: $0.ranks.shuffled(using: &generator))
      })
    let (expected, predicted) = (example.predicted(plan), example.predicted(shuffled))
    #expect(abs(predicted - expected) <= 1e-9 * expected)
  }

  @Test("count a token's row once per rank, however many of its experts live there")
  func sharedRows() {
    // Every token of rank 0 chooses both experts of rank 1: one row each, 1 s a kilobyte.
    let costs = LayerCosts(
      machine: LayerExample.machine(flopsPerSecond: 1e15, bytesPerSecond: 1000, latencySeconds: 0),
      shape: ExpertShape(hiddenSize: 250, intermediateSize: 1, matrixCount: 2, elementBytes: 4), hostOfRank: [0, 1],
      threadsPerRank: 1, passes: .forward)
    let load = RoutingLoad(tokenCounts: [7, 0], expertsPerToken: 2, expertCount: 2, counts: [7, 7, 0, 0])
    #expect(abs(costs.predictedSeconds(load, owners: [1, 1]) - 7) < 1e-9)
    #expect(costs.predictedSeconds(load, owners: [0, 0]) < 1e-6)
    // On two ranks it goes to one of them, the other expert is at home.
    #expect(abs(costs.predictedSeconds(load, owners: [0, 1]) - 7) < 1e-9)
  }
}
