import Communication
import ExpertParallel
import Planning
import RankCases
import Tensors
import TestSupport
import Testing
import Topology

@Suite("Expert layer")
struct ExpertLayerTests {
  /// A few thousand roundings of 2⁻²⁴, in units of the largest value of a tensor.
  static let tolerance: Float = 3e-6

  @Test(
    "gives the naive layer's outputs and gradients", arguments: ExpertScenario.all, [ExpertActivation.swiGLU, .gelu])
  func equalsReference(scenario: ExpertScenario, activation: ExpertActivation) throws {
    let batch = scenario.batch(activation)
    let expected = batch.expected
    for ranks in [1, 3] {
      let (error, place) = try batch.run(scenario.setup(ranks: ranks)).largestError(against: expected)
      #expect(error < Self.tolerance, "\(ranks) ranks: \(error) at \(place)")
    }
  }

  @Test(
    "gives the same bits at every number of ranks and threads", arguments: ExpertScenario.all,
    [ExpertActivation.swiGLU, .gelu])
  func sameBits(scenario: ExpertScenario, activation: ExpertActivation) throws {
    let batch = scenario.batch(activation)
    let alone = try batch.run(ExpertLayerSetup())
    for (ranks, threads) in [(1, 2), (1, 3), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1), (2, 2), (3, 3)] {
      let result = try batch.run(scenario.setup(ranks: ranks, threads: threads))
      let difference = result.firstDifference(from: alone)
      #expect(difference == nil, "\(ranks) ranks of \(threads) threads: \(difference ?? "")")
    }
  }

  @Test(
    "gives the same bits under every schedule, in however small messages, windows and tasks",
    arguments: ExpertScenario.all,
    ExpertLayerTests.exchanges)
  func sameBitsAnySchedule(scenario: ExpertScenario, exchange: ExchangeOptions) throws {
    let batch = scenario.batch(.swiGLU)
    let alone = try batch.run(ExpertLayerSetup())
    for (ranks, threads) in [(2, 1), (3, 1), (4, 2)] {
      let result = try batch.run(
        ExpertLayerSetup(
          ranks: ranks, threads: threads, chunkRows: exchange.chunkRows ?? 1024, blocks: scenario.blocks,
          exchange: exchange))
      let difference = result.firstDifference(from: alone)
      #expect(difference == nil, "\(ranks) ranks of \(threads) threads: \(difference ?? "")")
    }
  }

  /// Every schedule, with chunks, tasks, windows and groups that divide nothing.
  static let exchanges: [ExchangeOptions] = [
    ExchangeOptions(policy: .sequential, chunkRows: 3, window: SendWindow(total: 1, perPeer: 1)),
    ExchangeOptions(
      policy: .pairwise, groupSize: 1, chunkRows: 2, taskRows: 64, window: SendWindow(total: 2, perPeer: 1)),
    ExchangeOptions(
      policy: .pairwise, groupSize: 2, chunkRows: 7, taskRows: 64, window: SendWindow(total: 3, perPeer: 2)),
    ExchangeOptions(policy: .pairwise, groupSize: 9, chunkRows: 100, taskRows: 1000),
    ExchangeOptions(policy: .eager, chunkRows: 1, taskRows: 64, window: SendWindow(total: 1, perPeer: 1)),
    ExchangeOptions(policy: .eager, chunkRows: 5, taskRows: 64, window: SendWindow(total: 2, perPeer: 2)),
    ExchangeOptions(policy: .eager, taskRows: 1000),
  ]

  @Test("gives the same bits however tokens lie on the ranks and messages are cut", arguments: [1, 3, 7, 1024])
  func sameBitsAnyBlocks(chunkRows: Int) throws {
    let batch = ExpertScenario.all[0].batch(.swiGLU)
    let alone = try batch.run(ExpertLayerSetup())
    for blocks in [TokenBlocks.even, .allOnFirst, .allOnLast, .everyOtherRank] {
      let result = try batch.run(ExpertLayerSetup(ranks: 4, chunkRows: chunkRows, blocks: blocks))
      let difference = result.firstDifference(from: alone)
      #expect(difference == nil, "\(blocks): \(difference ?? "")")
    }
  }

  @Test("gives the same bits when messages are late", arguments: 0..<4)
  func sameBitsLateMessages(seed: Int) throws {
    let batch = ExpertScenario.all[0].batch(.gelu)
    let alone = try batch.run(ExpertLayerSetup())
    let late = try batch.run(ExpertLayerSetup(ranks: 4, chunkRows: 3)) { message in
      let mix = (message.source.index * 31 + message.destination.index * 17 + message.ordinal * 7 + seed * 13) % 11
      return mix < 5 ? .delay(.milliseconds(mix)) : nil
    }
    let difference = late.firstDifference(from: alone)
    #expect(difference == nil, "\(difference ?? "")")
  }

  @Test("gives the same result when it is called again, with no more memory", arguments: 1...3)
  func callsInARow(ranks: Int) throws {
    let batch = ExpertScenario.all[0].batch(.swiGLU)
    let differences = try LoopbackFabric.run(ranks: ranks) { world in
      let rank = ExpertLayerRank(batch, on: world, ExpertLayerSetup(ranks: ranks))
      let first = try rank.step()
      let growths = rank.runtime.workspace.growthCount
      var findings: [String] = []
      for call in 2...5 {
        if let difference = try rank.step().firstDifference(from: first) {
          findings.append("call \(call): \(difference)")
        }
      }
      if rank.runtime.workspace.growthCount != growths { findings.append("the workspace grew") }
      return findings
    }
    #expect(differences.flatMap(\.self) == [])
  }

  @Test("adds to the gradients of the weights when it accumulates, and to nothing else", arguments: 1...3)
  func accumulation(ranks: Int) throws {
    let first = ExpertScenario.all[0].batch(.swiGLU)
    var second = ExpertScenario.all[2].batch(.swiGLU)
    second = ExpertBatch(
      activation: .swiGLU, hiddenSize: 24, intermediateSize: 40, expertCount: 5, expertsPerToken: 2,
      expertIDs: second.expertIDs, seed: 99)
    second.weights = first.weights
    let (one, other) = (first, second)
    let setup = ExpertLayerSetup(ranks: ranks)
    let parts = try LoopbackFabric.run(ranks: ranks) { world in
      let rank = ExpertLayerRank(one, on: world, setup)
      try rank.step()
      rank.batch = other
      return try rank.step(accumulating: true)
    }
    let sum = ExpertLayerResult(joining: parts)
    let (a, b) = (try one.run(setup), try other.run(setup))
    var expected = b
    expected.dWeights = zip(a.dWeights, b.dWeights).map { a, b in
      ExpertBatch.Matrices(input: zip(a.input, b.input).map(+), output: zip(a.output, b.output).map(+))
    }
    let (error, place) = sum.largestError(against: expected)
    #expect(error < 1e-6, "\(error) at \(place)")
    #expect(sum.out == b.out && sum.dx == b.dx && sum.dGateWeights == b.dGateWeights)
  }

  @Test("keeps what several layers saved until each has gone backward", arguments: 1...3)
  func layersDeep(ranks: Int) throws {
    let batches = [ExpertScenario.all[0].batch(.swiGLU), ExpertScenario.all[14].batch(.gelu)]
    let setup = ExpertLayerSetup(ranks: ranks)
    let alone = try batches.map { try $0.run(setup) }
    let parts = try LoopbackFabric.run(ranks: ranks) { world in
      // Both share a communicator, as the layers of a model do; forward in one order, backward in the other.
      let layers = batches.map { ExpertLayerRank($0, on: world, setup) }
      let saved = try layers.map { try $0.forward() }
      for (layer, saved) in zip(layers, saved).reversed() { try layer.backward(saved) }
      return layers.map(\.result)
    }
    for layer in batches.indices {
      let joined = ExpertLayerResult(joining: parts.map { $0[layer] })
      let difference = joined.firstDifference(from: alone[layer])
      #expect(difference == nil, "layer \(layer): \(difference ?? "")")
    }
  }

  @Test("gives dropped assignments no gradient, and their tokens the sum of the kept ones", arguments: 1...3)
  func dropped(ranks: Int) throws {
    let batch = ExpertScenario.all[12].batch(.gelu)
    let dropped = batch.isKept.indices.filter { !batch.isKept[$0] }
    try #require(dropped.count > 10)
    let result = try batch.run(ExpertLayerSetup(ranks: ranks))
    #expect(dropped.allSatisfy { result.dGateWeights[$0] == 0 })
    #expect(batch.isKept.indices.allSatisfy { !batch.isKept[$0] || result.dGateWeights[$0] != 0 })
    // A dropped choice might as well have weight zero.
    var weightless = batch
    weightless.isKept = batch.isKept.map { _ in true }
    for assignment in dropped { weightless.gateWeights[assignment] = 0 }
    let other = try weightless.run(ExpertLayerSetup(ranks: ranks))
    #expect(result.out == other.out)
    #expect(result.dx == other.dx)
  }

  @Test("adds a token's results up in order of choice, each rounded before it is added", arguments: [1, 3])
  func orderOfSum(ranks: Int) throws {
    let batch = ExpertScenario.all[1].batch(.swiGLU)
    let setup = ExpertLayerSetup(ranks: ranks)
    var expected = batch.x.map { _ in Float(0) }
    for choice in 0..<batch.expertsPerToken {
      var alone = batch
      alone.gateWeights = batch.gateWeights.map { _ in 1 }
      alone.isKept = batch.isKept.indices.map { $0 % batch.expertsPerToken == choice }
      let results = try alone.run(setup).out
      for index in expected.indices {
        let assignment = index / batch.hiddenSize * batch.expertsPerToken + choice
        let product = batch.gateWeights[assignment] * results[index]
        expected[index] = choice == 0 ? product : expected[index] + product
      }
    }
    let isSame = try batch.run(setup).out.map(\.bitPattern) == expected.map(\.bitPattern)
    #expect(isSame)
  }

  @Test("brings every token home through experts that change nothing", arguments: 1...5, [1, 2, 4])
  func identity(ranks: Int, choices: Int) throws {
    // gelu(h) = h and gelu′(h) = 1 in single precision for these numbers, and sums of quarters of integers are exact.
    let size = 8
    var generator = SeededGenerator(seed: choices)
    let experts = (0..<64).flatMap { _ in generator.distinct(choices, below: 8).map(Int32.init) }
    var batch = ExpertBatch(
      activation: .gelu, hiddenSize: size, intermediateSize: size, expertCount: 8, expertsPerToken: choices,
      expertIDs: experts, seed: choices)
    let unit = (0..<size * size).map { Float($0 % size == $0 / size ? 1 : 0) }
    batch.weights = batch.weights.map { _ in ExpertBatch.Matrices(input: unit, output: unit) }
    batch.gateWeights = experts.map { _ in 1 / Float(choices) }
    batch.x = batch.x.indices.map { Float(20 + ($0 * 37) % 1000) }
    batch.outputGradient = batch.x.indices.map { Float(($0 * 53) % 997 - 500) }
    let result = try batch.run(ExpertLayerSetup(ranks: ranks, chunkRows: 5))
    #expect(result.out == batch.x)
    #expect(result.dx == batch.outputGradient)
  }

  @Test("has gradients that agree with finite differences", arguments: [ExpertActivation.swiGLU, .gelu], [1, 2])
  func finiteDifferences(activation: ExpertActivation, ranks: Int) throws {
    let batch = smallBatch(activation)
    let gradients = try batch.run(ExpertLayerSetup(ranks: ranks))
    let changes = Change.all(of: batch, gradients)
    let step: Float = 0x1p-6
    // For each change the outputs above and below, of each rank.
    let parts = try LoopbackFabric.run(ranks: ranks) { world in
      let first = ExpertLayerRank(batch, on: world, ExpertLayerSetup(ranks: ranks))
      return try changes.flatMap { change in
        try [step, -step].map { step in
          var moved = batch
          change.move(&moved, step)
          let mark = first.runtime.workspace.mark()
          defer { first.runtime.workspace.release(to: mark) }
          let rank = ExpertLayerRank(moved, first.runtime, .even)
          _ = try rank.forward()
          return rank.result.out
        }
      }
    }
    func loss(_ index: Int) -> Double {
      zip(parts.flatMap { $0[index] }, batch.outputGradient).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    for (index, change) in changes.enumerated() {
      let measured = (loss(2 * index) - loss(2 * index + 1)) / (2 * Double(step))
      #expect(
        abs(measured - Double(change.gradient)) < 2e-3, "\(change.name): \(change.gradient), measured \(measured)")
    }
  }

  /// A number that the loss depends on, and the loss's derivative by it.
  struct Change: Sendable {
    let name: String
    let gradient: Float
    let move: @Sendable (inout ExpertBatch, Float) -> Void

    static func all(of batch: ExpertBatch, _ gradients: ExpertLayerResult) -> [Change] {
      var changes: [Change] = []
      for (index, gradient) in gradients.dx.enumerated() {
        changes.append(Change(name: "x[\(index)]", gradient: gradient) { $0.x[index] += $1 })
      }
      for (index, gradient) in gradients.dGateWeights.enumerated() {
        changes.append(Change(name: "gate weight \(index)", gradient: gradient) { $0.gateWeights[index] += $1 })
      }
      for (expert, matrices) in gradients.dWeights.enumerated() {
        for (index, gradient) in matrices.input.enumerated() {
          let name = "input of expert \(expert) [\(index)]"
          changes.append(Change(name: name, gradient: gradient) { $0.weights[expert].input[index] += $1 })
        }
        for (index, gradient) in matrices.output.enumerated() {
          let name = "output of expert \(expert) [\(index)]"
          changes.append(Change(name: name, gradient: gradient) { $0.weights[expert].output[index] += $1 })
        }
      }
      return changes
    }
  }
}
