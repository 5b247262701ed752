import Communication
import ExpertParallel
import Planning
import RankCases
import Tensors
import Testing
import Topology

/// What a rank sends its only peer in forward and backward, in this order, when all tokens go everywhere.
enum ExpertMessage: Int, CaseIterable, Sendable {
  case manifest, rows, results, outputGradients, inputGradients, gateGradients
}

@Suite("Expert layer under faults")
struct ExpertLayerFaultTests {
  /// Every token has an expert on each of two ranks.
  static let batch = ExpertBatch(
    activation: .swiGLU, hiddenSize: 6, intermediateSize: 5, expertCount: 2, expertsPerToken: 2,
    expertIDs: (0..<10).flatMap { $0 % 2 == 0 ? [0, 1] : [1, 0] as [Int32] }, seed: 5)
  static let setup = ExpertLayerSetup(ranks: 2)
  static let limit = Duration.seconds(1)

  @Test("ends with an error that names the peer when a message is lost", arguments: ExpertMessage.allCases)
  func lostMessage(lost: ExpertMessage) throws {
    let fabric = LoopbackFabric(ranks: 2) { message in
      message.source == Rank(1) && message.ordinal == lost.rawValue ? .drop : nil
    }
    let clock = ContinuousClock()
    let began = clock.now
    let results = fabric.run(waitLimit: Self.limit) { world in
      try ExpertLayerRank(Self.batch, on: world, Self.setup).step()
    }
    let error = try communicationError(of: results[0])
    #expect(error.code == .noProgress)
    #expect(error.rank == Rank(0))
    #expect(error.message.contains("missing: rank 1"), "\(error)")
    #expect(clock.now - began < .seconds(20))
  }

  @Test("ends on every rank when one of three loses a message", arguments: [0, 1, 2])
  func lostAmongThree(ordinal: Int) throws {
    let batch = ExpertScenario.all[0].batch(.gelu)
    let fabric = LoopbackFabric(ranks: 3) { message in
      message.source == Rank(2) && message.destination == Rank(0) && message.ordinal == ordinal ? .drop : nil
    }
    let results = fabric.run(waitLimit: Self.limit) { world in
      try ExpertLayerRank(batch, on: world, ExpertLayerSetup(ranks: 3)).step()
    }
    let error = try communicationError(of: results[0])
    #expect(error.message.contains("rank 2"), "\(error)")
    for result in results { #expect(throws: CommunicationError.self) { try result.get() } }
  }

  struct Substitution: Sendable, CustomTestStringConvertible {
    let message: ExpertMessage
    let byteCount: Int
    var testDescription: String { "\(byteCount) bytes for \(message)" }
  }

  @Test(
    "refuses a message of the wrong size on the rank that receives it",
    arguments: [
      Substitution(message: .manifest, byteCount: 0), Substitution(message: .manifest, byteCount: 12),
      Substitution(message: .manifest, byteCount: 1 << 16), Substitution(message: .rows, byteCount: 0),
      Substitution(message: .rows, byteCount: 5 * 6 * 4 - 4), Substitution(message: .rows, byteCount: 5 * 6 * 4 + 4),
      Substitution(message: .results, byteCount: 4), Substitution(message: .outputGradients, byteCount: 1 << 12),
      Substitution(message: .inputGradients, byteCount: 0), Substitution(message: .gateGradients, byteCount: 16),
    ])
  func wrongSize(substitution: Substitution) throws {
    let zeros = Buffer<UInt8>(count: substitution.byteCount)
    try expectRefusal(of: zeros, for: substitution.message)
  }

  @Test("takes the same messages when nothing is exchanged for them")
  func noSubstitution() throws {
    let words = manifest(sequence: 0, hiddenSize: 6).words
    let results = LoopbackFabric(ranks: 2).run { world in
      try ExpertLayerRank(Self.batch, on: Self.substituting(Buffer(words), for: .manifest, world), Self.setup).step()
    }
    let joined = ExpertLayerResult(joining: try results.map { try $0.get() })
    let difference = joined.firstDifference(from: try Self.batch.run(ExpertLayerSetup()))
    #expect(difference == nil, "\(difference ?? "")")
  }

  @Test("refuses the manifest of another exchange")
  func otherExchange() throws {
    try expectRefusal(of: Buffer(manifest(sequence: 1, hiddenSize: 6).words), for: .manifest)
  }

  @Test("refuses the manifest of a layer of another width")
  func otherWidth() throws {
    try expectRefusal(of: Buffer(manifest(sequence: 0, hiddenSize: 7).words), for: .manifest)
  }

  @Test("refuses a manifest with bytes behind it")
  func strayBytes() throws {
    let words = manifest(sequence: 0, hiddenSize: 6).words
    let bytes = words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
    try expectRefusal(of: Buffer(bytes + [0, 0]), for: .manifest)
  }

  @Test("refuses messages of a rank that cuts its rows otherwise")
  func otherChunks() throws {
    let results = LoopbackFabric(ranks: 2).run(waitLimit: Self.limit) { world in
      let setup = ExpertLayerSetup(ranks: 2, chunkRows: world.rank.index == 0 ? 3 : 4)
      return try ExpertLayerRank(Self.batch, on: world, setup).step()
    }
    let errors = results.compactMap { result in #expect(throws: CommunicationError.self) { try result.get() } }
    #expect(errors.contains { $0.code == .unexpectedMessage })
  }

  /// What rank 1 says at first.
  private func manifest(sequence: Int32, hiddenSize: Int) -> DispatchManifest {
    let tokens = Self.setup.blocks.tokens(of: 1, rankCount: 2, tokenCount: Self.batch.tokenCount)
    let assignments = tokens.lowerBound * 2..<tokens.upperBound * 2
    let decision = RoutingDecision(
      expertsPerToken: 2, expertIDs: Array(Self.batch.expertIDs[assignments]),
      gateWeights: Array(Self.batch.gateWeights[assignments]))
    let plan = DispatchPlan(decision, placement: ExpertPlacement(expertCount: 2, rankCount: 2), rank: Rank(1))
    return DispatchManifest(plan, to: Rank(0), sequence: sequence, hiddenSize: hiddenSize)
  }

  private static func substituting<Element>(
    _ content: Buffer<Element>, for message: ExpertMessage, _ world: LoopbackCommunicator
  ) -> any Communicator {
    world.rank == Rank(1) ? SubstitutingCommunicator(world, MessageBytes(content), for: message.rawValue) : world
  }

  /// Rank 1 sends `content` in the place of a message; rank 0 has to say that this is not what it expected.
  private func expectRefusal<Element>(of content: Buffer<Element>, for message: ExpertMessage) throws {
    let results = LoopbackFabric(ranks: 2).run(waitLimit: Self.limit) { world in
      try ExpertLayerRank(Self.batch, on: Self.substituting(content, for: message, world), Self.setup).step()
    }
    let error = try communicationError(of: results[0])
    #expect(error.code == .unexpectedMessage, "\(error)")
    #expect(error.refusal.kind == .protocolViolation)
    #expect(error.rank == Rank(0))
    #expect(error.message.contains("rank 1"), "\(error)")
  }

  private func communicationError(of result: Result<ExpertLayerResult, any Error>) throws -> CommunicationError {
    try #require(#expect(throws: CommunicationError.self) { try result.get() })
  }
}
