package import Communication
package import Tensors
package import Tokenization
import Topology

extension TextCorpus {
  /// A tokenizer made for this text.
  package struct TrainedTokenizer: Sendable {
    package let tokenizer: Tokenizer
    /// The vocabulary came out smaller than was asked for; one line, or nil.
    package let warning: String?
  }

  /// Trains a tokenizer on the training part: every rank counts the words of its share, rank 0 adds the counts up and
  /// trains, and all get the result. It does not depend on the number of ranks.
  package func trainTokenizer(vocabularySize: Int, over world: any Communicator) throws -> TrainedTokenizer {
    let counts = try world.agree {
      let trainer = try BytePairTrainer(vocabularySize: vocabularySize)
      var counts = WordCounts()
      for chunk in try chunks(.training, of: world.rank, size: world.size) { counts.add(text: try text(of: chunk)) }
      return (trainer: trainer, own: counts.serialized())
    }
    let parts = try world.gatherBytes(counts.own, at: Rank(0))
    let json = try world.agree {
      guard let parts else { return [UInt8]() }
      var sum = WordCounts()
      for part in parts { sum.add(try WordCounts(serialized: part)) }
      return try counts.trainer.train(sum).jsonData()
    }
    let tokenizer = try Tokenizer(contentsOf: try world.broadcastBytes(json, from: Rank(0)))
    guard tokenizer.vocabularySize < vocabularySize else { return TrainedTokenizer(tokenizer: tokenizer, warning: nil) }
    return TrainedTokenizer(
      tokenizer: tokenizer,
      warning: "the vocabulary has \(tokenizer.vocabularySize) tokens, not \(vocabularySize): "
        + "no other pair occurs twice in this text")
  }

  /// The tokens of a part of every file, each file's closed by the end-of-text token if the tokenizer has one.
  ///
  /// Every rank encodes its share of the chunks and gets all tokens. Each rank then holds 4 bytes per token: for English
  /// and a vocabulary of 2048 about 1.4 times the size of the text.
  package func tokens(_ part: Part, _ tokenizer: Tokenizer, over world: any Communicator) throws -> TokenStream {
    let own = try world.agree {
      var encoder = TokenEncoder(tokenizer)
      var tokens: [Int32] = []
      for chunk in try chunks(part, of: world.rank, size: world.size) {
        encoder.encode(try text(of: chunk), addSpecialTokens: false, into: &tokens)
        if chunk.endsDocument, let end = tokenizer.endOfText { tokens.append(end) }
      }
      return tokens
    }
    return TokenStream(try Self.joined(own, over: world), tokenizer)
  }

  /// Every rank's tokens one after another, on all ranks. They travel straight to their place.
  private static func joined(_ own: [Int32], over world: any Communicator) throws -> Buffer<Int32> {
    let counts = try world.allGather(Int64(own.count)).map(Int.init)
    let all = Buffer<Int32>(count: counts.reduce(0, +))
    var start = 0
    for (rank, count) in counts.enumerated() {
      let part = all[start..<start + count]
      if rank == world.rank.index { part.copy(from: own) }
      try world.broadcast(part, from: Rank(rank))
      start += count
    }
    return all
  }
}

/// Tokens of a text, one after another, and how much text they are.
package struct TokenStream: Sendable {
  package let tokens: Buffer<Int32>
  /// Bytes of text by token; special tokens stand for none.
  private let byteCounts: [Int]

  init(_ tokens: Buffer<Int32>, _ tokenizer: Tokenizer) {
    self.tokens = tokens
    byteCounts = (0..<Int32(tokenizer.vocabularySize)).map {
      tokenizer.isSpecial($0) ? 0 : tokenizer.bytes(of: $0).count
    }
  }

  /// How many bytes of text a range of the tokens stands for.
  package func byteCount(_ range: Range<Int>) -> Int { range.reduce(0) { $0 + byteCounts[Int(tokens[$1])] } }
}
