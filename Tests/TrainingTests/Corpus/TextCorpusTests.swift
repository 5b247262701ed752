import Communication
import Foundation
import Tensors
import Testing
import Tokenization
import Topology
import Training

struct TextCorpusTests {
  /// Three files, one of them several chunks long, one not UTF-8, one tiny.
  private static func folder() throws -> CorpusFolder {
    try CorpusFolder([
      "long.txt": MadeUpText.make(byteCount: 1_300_000, seed: 1),
      "short.txt": MadeUpText.make(byteCount: 40_000, seed: 2) + [0xff, 0xfe, 0xe2, 0x82],
      "tiny.txt": Array("tiny".utf8),
    ])
  }

  private struct Encoded: Equatable, Sendable {
    var tokenizer: [UInt8]
    var training: [Int32]
    var heldOut: [Int32]
  }

  private func encode(_ folder: CorpusFolder, ranks: Int, vocabularySize: Int = 400) throws -> [Encoded] {
    try LoopbackFabric.run(ranks: ranks) { world in
      let corpus = try TextCorpus([folder.path], over: world)
      let trained = try corpus.trainTokenizer(vocabularySize: vocabularySize, over: world)
      return Encoded(
        tokenizer: trained.tokenizer.jsonData(),
        training: try corpus.tokens(.training, trained.tokenizer, over: world).tokens.elements,
        heldOut: try corpus.tokens(.heldOut, trained.tokenizer, over: world).tokens.elements)
    }
  }

  @Test("tokenizer and tokens are the same on every rank and at every number of ranks")
  func independentOfRanks() throws {
    let folder = try Self.folder()
    let alone = try encode(folder, ranks: 1)[0]
    for ranks in 2...4 {
      for encoded in try encode(folder, ranks: ranks) { #expect(encoded == alone, "\(ranks) ranks") }
    }
  }

  @Test("training and held-out text of every file are the file, each closed by the end of text")
  func parts() throws {
    let folder = try Self.folder()
    let encoded = try encode(folder, ranks: 2)[0]
    let tokenizer = try Tokenizer(contentsOf: encoded.tokenizer)
    let training = encoded.training.split(separator: 0, omittingEmptySubsequences: false)
    let heldOut = encoded.heldOut.split(separator: 0, omittingEmptySubsequences: false)
    #expect(training.count == 4 && heldOut.count == 3)  // nothing of the tiny file is held out
    for (index, name) in ["long.txt", "short.txt"].enumerated() {
      let first = tokenizer.decodedBytes(training[index])
      let last = tokenizer.decodedBytes(heldOut[index])
      #expect(try first + last == folder.bytes(name))
      #expect(first.last == UInt8(ascii: "\n"))
      let share = Double(last.count) / Double(first.count + last.count)
      #expect(share > 0.025 && share <= 0.0501)
    }
    #expect(tokenizer.decode(training[2]) == "tiny")
  }

  @Test("a text of whole lines has the tokens that it has when it is encoded at once")
  func chunksAreInvisible() throws {
    let folder = try CorpusFolder(["text": MadeUpText.make(byteCount: 900_000, seed: 3)])
    let results = try LoopbackFabric.run(ranks: 3) { world in
      let corpus = try TextCorpus([folder.path], over: world)
      let tokenizer = try corpus.trainTokenizer(vocabularySize: 300, over: world).tokenizer
      let whole = try corpus.tokens(.whole, tokenizer, over: world).tokens.elements
      return (json: tokenizer.jsonData(), tokens: whole)
    }
    let tokenizer = try Tokenizer(contentsOf: results[0].json)
    #expect(results[0].tokens == tokenizer.encode(bytes: try folder.bytes("text")) + [0])
  }

  @Test("a file that is one long line, or no characters at all, is cut as well")
  func cutsWithoutLines() throws {
    let folder = try CorpusFolder([
      "line": Array(String(repeating: "€", count: 300_000).utf8), "tails": [UInt8](repeating: 0x80, count: 600_000),
    ])
    let encoded = try encode(folder, ranks: 2, vocabularySize: 257)[0]
    let tokenizer = try Tokenizer(contentsOf: encoded.tokenizer)
    let parts = zip(encoded.training.split(separator: 0), encoded.heldOut.split(separator: 0)).map {
      (tokenizer.decodedBytes($0), tokenizer.decodedBytes($1))
    }
    #expect(try parts.map { $0 + $1 } == [folder.bytes("line"), folder.bytes("tails")])
    #expect(String(validating: parts[0].0, as: UTF8.self) != nil)
  }

  @Test("a vocabulary larger than the text can fill is smaller, and says so")
  func smallVocabulary() throws {
    let folder = try CorpusFolder(texts: ["text": "abab abab"])
    let trained = try LoopbackFabric.run(ranks: 2) { world in
      try TextCorpus([folder.path], over: world).trainTokenizer(vocabularySize: 4096, over: world)
    }[1]
    #expect(trained.tokenizer.vocabularySize < 300)
    #expect(trained.warning?.contains("not 4096") == true)
  }

  @Test("an impossible vocabulary is refused on all ranks")
  func refusesVocabulary() throws {
    let folder = try CorpusFolder(texts: ["text": "abab"])
    let results = LoopbackFabric(ranks: 2).run { world in
      try TextCorpus([folder.path], over: world).trainTokenizer(vocabularySize: 256, over: world)
    }
    for result in results {
      guard case .failure(let error) = result else {
        Issue.record("a vocabulary of 256 was made")
        continue
      }
      #expect(Refusal(error).kind == .usage)
    }
  }

  @Test("a file that changes under way is refused on all ranks")
  func refusesChanged() throws {
    let folder = try CorpusFolder(texts: ["text": "abab abab abab"])
    let results = LoopbackFabric(ranks: 2).run { world in
      let corpus = try TextCorpus([folder.path], over: world)
      try world.barrier()
      if world.rank.index == 0 { try folder.write("text", Array("abab".utf8)) }
      try world.barrier()
      return try corpus.trainTokenizer(vocabularySize: 300, over: world)
    }
    for result in results {
      guard case .failure(let error) = result else {
        Issue.record("a changed file was used")
        continue
      }
      #expect(Refusal(error).message.contains("has changed"))
    }
  }
}
