import Communication
import Inference
import Kernels
import LanguageModel
import Planning
import Tensors
package import TestSupport
import Topology

/// Generation and batched logits on any number of ranks.
package let inferenceCases: [RankCase] = [
  RankCase("inference: a cache extended in pieces gives the hidden states of the whole sequence") { context in
    let scenario = ModelScenario("pieces", sequenceLength: 11) { $0.expertLayerInterval = 2 }
    let model = try scenario.model(over: context.world)
    let isOwner = context.rank == 0
    let tokens = scenario.sequences[0]
    let whole = try model.hiddenStates(isOwner ? tokens : [], limit: tokens.count)
    let cache = KeyValueCache(scenario.configuration, capacity: isOwner ? 16 : 0)
    var pieces: [Float] = []
    for range in [0..<4, 4..<5, 5..<6, 6..<11] {
      pieces += try model.extend(cache, isOwner ? Array(tokens[range]) : [], limit: range.count)
    }
    context.expectEqual(cache.count, isOwner ? 11 : 0)
    context.expect(largestDifference(pieces, whole) < 1e-5, "off by \(largestDifference(pieces, whole))")
  },

  RankCase("inference: sampled tokens are the same at any number of ranks") { context in
    let scenario = ModelScenario("sampling")
    let sampling = Sampling(temperature: 1.2, topP: 0.9, seed: 21)
    let alone = try LoopbackFabric.run(ranks: 1) { world in
      try scenario.model(over: world).generate([3, 1, 4], count: 9, sampling: sampling)
    }
    context.expect(alone[0].count == 9 && Set(alone[0]).count > 2, "\(alone[0])")
    // With fewer ranks in a group than in the job, some groups compute for nobody.
    for size in 1...context.size where context.size % size == 0 {
      let model = try scenario.model(over: context.world, expertParallelSize: size)
      let tokens = try model.generate([3, 1, 4], count: 9, sampling: sampling)
      context.expectEqual(tokens, context.rank == 0 ? alone[0] : [], "\(size) ranks hold all experts")
    }
  },

  RankCase("inference: generation ends at the end token, the limit or the last position") { context in
    let scenario = ModelScenario("endings")
    let free = try scenario.model(over: context.world)
    let all = try free.generate([5], count: 100)
    context.expectEqual(all.count, context.rank == 0 ? 15 : 0)
    context.expectEqual(try free.generate([5], count: 0), [])
    context.expectEqual(try free.generate([5], count: 2), Array(all.prefix(2)))
    // Rank 0 knows the third token; its first occurrence becomes the end.
    let word = Buffer<Int32>(count: 1)
    word[0] = context.rank == 0 ? all[2] : 0
    try context.world.broadcast(word, from: Rank(0))
    var ending = scenario.configuration
    ending.endToken = Int(word[0])
    let model = try RankModel(ending, over: context.world) { scenario.initialize($0) }
    var told: [Int32] = []
    let request = GenerationRequest(prompt: [5], maximumNewTokens: 100)
    let tokens = try Generator(model: model.model, parameters: model.parameters, runtime: model.runtime)
      .generate(request) { told.append($0) }
    let end = all.firstIndex(of: word[0]).map { $0 + 1 } ?? 0
    context.expectEqual(tokens, Array(all.prefix(end)))
    context.expectEqual(told, tokens)
  },

  RankCase("inference: a later token changes no earlier logit, whatever the capacity") { context in
    for capacity in [CapacityPolicy.dropless, .limited(factor: 0.5), .limited(factor: 1)] {
      let scenario = ModelScenario("causality", capacity: capacity, sequenceLength: 12)
      let model = try scenario.model(over: context.world)
      let before = try model.logits(scenario.sequences, capacity: capacity)
      for position in [1, 5, 11] {
        var sequences = scenario.sequences
        for index in sequences.indices { sequences[index][position] = (sequences[index][position] + 7) % 19 }
        let after = try model.logits(sequences, capacity: capacity)
        guard context.rank == 0 else { continue }
        for sequence in sequences.indices {
          let rows = sequence * 12 * 19..<(sequence + 1) * 12 * 19
          let changed = zip(before[rows], after[rows]).map { $0 != $1 }
          context.expectEqual(changed.firstIndex(of: true).map { $0 / 19 }, position, "\(capacity)")
        }
      }
    }
  },

  RankCase("inference: logits have the same bits at any number of ranks, with and without capacity") { context in
    for capacity in [CapacityPolicy.dropless, .limited(factor: 0.5)] {
      let scenario = ModelScenario("bits", capacity: capacity, sequenceLength: 7) { $0.layerCount = 3 }
      let logits = try scenario.model(over: context.world).logits(scenario.sequences, capacity: capacity)
      let alone = try LoopbackFabric.run(ranks: 1) { world in
        try scenario.model(over: world).logits(scenario.sequences, capacity: capacity)
      }
      if context.rank == 0 { context.expect(logits == alone[0], "\(capacity)") }
    }
  },

  RankCase("inference: a taker of logits that fails stops all ranks with its reason") { context in
    let scenario = ModelScenario("failing")
    let model = try scenario.model(over: context.world)
    let batch = TokenBatch(
      tokens: Buffer(scenario.sequences.flatMap(\.self)), sequenceCount: 3, sequenceLength: 6, tokenLimit: 18)
    let refusal = context.expectError(Refusal.self) {
      try BatchLogits(model: model.model, parameters: model.parameters, runtime: model.runtime)
        .compute(batch) { _ in throw Refusal(.inputOutput, "the disk is full") }
    }
    context.expectEqual(refusal?.kind, .inputOutput)
    context.expect(refusal?.message.contains("the disk is full") == true, "\(refusal?.message ?? "no refusal")")
    try context.world.barrier()
  },

  RankCase("inference: the loss of a forward pass is that of training") { context in
    let scenario = ModelScenario("evaluation", sequenceLength: 5)
    let model = try scenario.model(over: context.world)
    let trained = try model.train(scenario.sequences, targets: scenario.targets, balance: 0)
    let loss = try model.crossEntropy(scenario.sequences, targets: scenario.targets)
    context.expect(abs(loss - trained.crossEntropy) < 1e-12, "\(loss) instead of \(trained.crossEntropy)")
  },
]

extension ModelScenario {
  fileprivate func model(over world: any Communicator, expertParallelSize: Int? = nil) throws -> RankModel {
    try RankModel(configuration, over: world, expertParallelSize: expertParallelSize) { initialize($0) }
  }
}

extension RankModel {
  fileprivate func hiddenStates(_ tokens: [Int32], limit: Int) throws -> [Float] {
    let hidden = Tensor(zeros: Shape(rows: tokens.count, columns: configuration.hiddenSize))
    let batch = TokenBatch(
      tokens: Buffer(tokens), sequenceCount: tokens.isEmpty ? 0 : 1, sequenceLength: limit, tokenLimit: limit)
    try model.hiddenStates(batch, into: hidden, parameters, on: runtime)
    return hidden.elements
  }

  fileprivate func extend(_ cache: KeyValueCache, _ tokens: [Int32], limit: Int) throws -> [Float] {
    let hidden = Tensor(zeros: Shape(rows: tokens.count, columns: configuration.hiddenSize))
    try model.extend(cache, with: Buffer(tokens), tokenLimit: limit, into: hidden, parameters, on: runtime)
    return hidden.elements
  }
}

private func largestDifference(_ values: [Float], _ expected: [Float]) -> Float {
  guard values.count == expected.count else { return .infinity }
  return zip(values, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
}
