import Planning
import TestSupport
import Testing
import Topology

@Suite("Dispatch manifest")
struct DispatchManifestTests {
  /// A manifest on the wire and what its receiver knows before it comes.
  struct Sent {
    let manifest: DispatchManifest
    let hostedCount: Int
    let tokenLimit: Int

    func read(_ words: [Int32]) throws(ManifestError) -> DispatchManifest {
      try DispatchManifest(
        words: words, sequence: 3, hiddenSize: 8, hostedCount: hostedCount, tokenLimit: tokenLimit)
    }
  }

  static func sent(seed: Int) -> [Sent] {
    let exchange = RandomExchange(seed: seed)
    return exchange.ranks.flatMap { receiver in
      exchange.manifests(to: receiver).map {
        Sent(
          manifest: $0, hostedCount: exchange.placement.experts(of: receiver).count,
          tokenLimit: exchange.decisions.map(\.tokenCount).max() ?? 0)
      }
    }
  }

  @Test("comes out of its words as it went in", arguments: RandomExchange.seeds)
  func roundTrip(seed: Int) throws {
    let exchange = RandomExchange(seed: seed)
    for sent in Self.sent(seed: seed) {
      let words = sent.manifest.words
      let read = try sent.read(words)
      #expect(read == sent.manifest)
      #expect(read.words == words)
      #expect(
        words.count
          <= DispatchManifest.wordLimit(
            tokenCount: sent.tokenLimit, expertsPerToken: exchange.expertsPerToken, hostedCount: sent.hostedCount))
    }
  }

  @Test("is refused when it is of another exchange, another width, or of more tokens than there can be")
  func otherExchange() throws {
    let sent = try #require(Self.sent(seed: 4).first { $0.manifest.rowCount > 1 })
    let words = sent.manifest.words
    #expect(throws: ManifestError.self) {
      try DispatchManifest(
        words: words, sequence: 4, hiddenSize: 8, hostedCount: sent.hostedCount, tokenLimit: sent.tokenLimit)
    }
    #expect(throws: ManifestError.self) {
      try DispatchManifest(
        words: words, sequence: 3, hiddenSize: 9, hostedCount: sent.hostedCount, tokenLimit: sent.tokenLimit)
    }
    #expect(throws: ManifestError.self) {
      try DispatchManifest(
        words: words, sequence: 3, hiddenSize: 8, hostedCount: sent.hostedCount + 1, tokenLimit: sent.tokenLimit)
    }
    #expect(throws: ManifestError.self) {
      try DispatchManifest(
        words: words, sequence: 3, hiddenSize: 8, hostedCount: sent.hostedCount,
        tokenLimit: sent.manifest.rowCount - 1)
    }
  }

  @Test("is refused when it is cut or has something behind it", arguments: 0..<20)
  func otherLength(seed: Int) {
    for sent in Self.sent(seed: seed) {
      let words = sent.manifest.words
      for count in words.indices {
        #expect(throws: ManifestError.self) { try sent.read(Array(words.prefix(count))) }
      }
      for extra in 1...5 {
        let longer = words + Array(repeating: 0, count: extra)
        #expect(throws: ManifestError.self) { try sent.read(longer) }
      }
    }
  }

  @Test("with any word altered is refused or says what its words say", arguments: 0..<40)
  func alteredWord(seed: Int) {
    var generator = SeededGenerator(seed: seed)
    for sent in Self.sent(seed: seed) {
      let words = sent.manifest.words
      let always = words.indices.prefix(6 + sent.hostedCount)
      let sampled = words.indices.dropFirst(always.count).shuffled(using: &generator).prefix(24)
      for place in Array(always) + Array(sampled) {
        let word = words[place]
        let bit = Int32(1) << Int32.random(in: 0..<31, using: &generator)
        for value in [word &+ 1, word &- 1, 0, -1, 1, .max, .min, word ^ bit, word ^ .min] {
          var altered = words
          altered[place] = value
          expectSafe(altered, sent)
        }
      }
    }
  }

  @Test("of random words is refused", arguments: 0..<20)
  func noise(seed: Int) {
    var generator = SeededGenerator(seed: 77 + seed)
    for sent in Self.sent(seed: seed) {
      for count in [0, 1, 5, 6, 7, 12, 40] {
        let words = (0..<count).map { _ in Int32.random(in: .min ... .max, using: &generator) }
        #expect(throws: ManifestError.self) { try sent.read(words) }
        // The right beginning with anything behind it.
        let mixed = Array(sent.manifest.words.prefix(3)) + words
        expectSafe(mixed, sent)
      }
    }
  }

  @Test("with two words altered together is refused or says what its words say", arguments: 0..<20)
  func alteredPair(seed: Int) {
    var generator = SeededGenerator(seed: 500 + seed)
    for sent in Self.sent(seed: seed) {
      let words = sent.manifest.words
      for _ in 0..<60 {
        var altered = words
        for _ in 0..<2 {
          let place = Int.random(in: 3..<words.count, using: &generator)
          altered[place] = Int32.random(in: -1...Int32(sent.tokenLimit + 1), using: &generator)
        }
        expectSafe(altered, sent)
      }
    }
  }

  /// Refused, or read as exactly these words, and good to make plans of.
  private func expectSafe(_ words: [Int32], _ sent: Sent) {
    do {
      let read = try sent.read(words)
      #expect(read.words == words)
      #expect(read.rowCount <= sent.tokenLimit)
      let plan = ReceivePlan([read, sent.manifest])
      #expect(plan.positions[0].allSatisfy { $0 >= 0 && Int($0) < plan.paddedRowCount })
      #expect(plan.assignments[0].allSatisfy { $0.row >= 0 && Int($0.row) < plan.rowCounts[0] })
      let returns = ReturnPlan(plan, source: Rank(0))
      #expect(returns.positions.count == plan.assignments[0].count)
      #expect(returns.positions.sorted() == plan.positions[0].sorted())
    } catch {
      #expect(!error.description.isEmpty)
    }
  }
}
