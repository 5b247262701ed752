package import ExpertParallel
import TestSupport

/// A situation that an MoE layer must get right.
package struct ExpertScenario: Sendable, CustomStringConvertible {
  package let description: String
  var tokenCount = 37
  var hiddenSize = 24
  var intermediateSize = 40
  var expertCount = 5
  var expertsPerToken = 2
  /// The experts that tokens choose from; nil: all.
  var chosen: [Int]?
  /// Slots per expert are ⌈factor · K · S / E⌉ in every sequence of S tokens.
  var capacity: (factor: Double, sequenceLength: Int)?
  /// The share of assignments dropped at random.
  var dropShare = 0.0
  package var blocks = TokenBlocks.even
  package var chunkRows = 1024

  package func batch(_ activation: ExpertActivation) -> ExpertBatch {
    let seed = description.utf8.reduce(17) { ($0 &* 31 &+ Int($1)) & 0xffff }
    var generator = SeededGenerator(seed: seed)
    let pool = chosen ?? Array(0..<expertCount)
    let experts = (0..<tokenCount).flatMap { _ in
      generator.distinct(expertsPerToken, below: pool.count).map { Int32(pool[$0]) }
    }
    let kept = zip(keptByCapacity(experts), experts).map { kept, _ in
      kept && Double.random(in: 0..<1, using: &generator) >= dropShare
    }
    return ExpertBatch(
      activation: activation, hiddenSize: hiddenSize, intermediateSize: intermediateSize, expertCount: expertCount,
      expertsPerToken: expertsPerToken, expertIDs: experts, isKept: kept, seed: seed)
  }

  package func setup(
    ranks: Int, threads: Int = 1, exchange: ExchangeOptions = ExchangeOptions()
  ) -> ExpertLayerSetup {
    ExpertLayerSetup(ranks: ranks, threads: threads, chunkRows: chunkRows, blocks: blocks, exchange: exchange)
  }

  private func keptByCapacity(_ experts: [Int32]) -> [Bool] {
    guard let capacity else { return experts.map { _ in true } }
    let wanted = capacity.factor * Double(expertsPerToken * capacity.sequenceLength) / Double(expertCount)
    var used: [[Int]: Int] = [:]
    return experts.enumerated().map { index, expert in
      let key = [index / expertsPerToken / capacity.sequenceLength, Int(expert)]
      used[key, default: 0] += 1
      return Double(used[key, default: 0]) <= wanted.rounded(.up)
    }
  }
}

extension ExpertScenario {
  package static let all: [ExpertScenario] = [
    ExpertScenario(description: "uneven experts per rank"),
    ExpertScenario(description: "uneven experts, four a token", expertCount: 7, expertsPerToken: 4),
    ExpertScenario(description: "empty experts", expertCount: 6, chosen: [1, 3]),
    ExpertScenario(description: "all tokens to one expert", expertCount: 4, expertsPerToken: 1, chosen: [2]),
    ExpertScenario(description: "fewer tokens than ranks", tokenCount: 2),
    ExpertScenario(description: "one token, on the last rank", tokenCount: 1, blocks: .allOnLast),
    ExpertScenario(description: "no tokens", tokenCount: 0),
    ExpertScenario(description: "all tokens on the first rank", blocks: .allOnFirst),
    ExpertScenario(description: "all tokens on the last rank", blocks: .allOnLast),
    ExpertScenario(description: "tokens on every other rank", blocks: .everyOtherRank),
    ExpertScenario(description: "one expert", expertCount: 1, expertsPerToken: 1),
    ExpertScenario(description: "as many experts as choices", expertCount: 3, expertsPerToken: 3),
    ExpertScenario(
      description: "capacity overflow", tokenCount: 40, expertCount: 4, capacity: (factor: 0.5, sequenceLength: 8)),
    ExpertScenario(
      description: "capacity overflow on one expert", tokenCount: 40, expertCount: 4, expertsPerToken: 1, chosen: [1],
      capacity: (factor: 1, sequenceLength: 10)),
    ExpertScenario(description: "some dropped", expertCount: 7, expertsPerToken: 3, dropShare: 0.4),
    ExpertScenario(description: "all dropped", dropShare: 1),
    ExpertScenario(description: "odd sizes", tokenCount: 29, hiddenSize: 7, intermediateSize: 5),
    ExpertScenario(description: "one row a message", tokenCount: 13, chunkRows: 1),
    ExpertScenario(description: "three rows a message", chunkRows: 3),
    ExpertScenario(
      description: "several blocks of rows", tokenCount: 420, hiddenSize: 16, intermediateSize: 8, expertCount: 3,
      chunkRows: 100),
    ExpertScenario(
      description: "several blocks of weights", tokenCount: 50, hiddenSize: 72, intermediateSize: 136, expertCount: 3),
  ]
}
