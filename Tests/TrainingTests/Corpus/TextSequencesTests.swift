import Communication
import Tensors
import Testing
import Tokenization
import Training

struct TextSequencesTests {
  /// The tokens of a text of one file, without merges: a token per byte, then the end of text.
  private func stream(_ text: String) throws -> TokenStream {
    let folder = try CorpusFolder(texts: ["text": text])
    return try LoopbackFabric.run(ranks: 1) { world in
      let corpus = try TextCorpus([folder.path], over: world)
      let tokenizer = try corpus.trainTokenizer(vocabularySize: 257, over: world).tokenizer
      return try corpus.tokens(.whole, tokenizer, over: world)
    }[0]
  }

  private func rows(_ sequences: TextSequences) -> [[[Int32]]] {
    let tokens = Buffer<Int32>(count: sequences.sequenceLength)
    let targets = Buffer<Int32>(count: sequences.sequenceLength)
    return (0..<sequences.sequenceCount).map {
      tokens.fill(-9)
      targets.fill(-9)
      sequences.copy(sequence: $0, tokens: tokens, targets: targets)
      return [tokens.elements, targets.elements]
    }
  }

  @Test("training windows share one token and leave the rest out")
  func trains() throws {
    let sequences = try TextSequences(try stream("!\"#$%&'"), sequenceLength: 3, remainder: .dropped, name: "the text")
    #expect(rows(sequences) == [[[1, 2, 3], [2, 3, 4]], [[4, 5, 6], [5, 6, 7]]])
    #expect(sequences.byteCount == 6)
  }

  @Test("evaluation windows predict every token but the first, once; the last window is padded")
  func evaluates() throws {
    let sequences = try TextSequences(try stream("!\"#$%&'"), sequenceLength: 3, remainder: .padded, name: "the text")
    #expect(rows(sequences) == [[[1, 2, 3], [2, 3, 4]], [[4, 5, 6], [5, 6, 7]], [[7, 0, 0], [0, -1, -1]]])
    #expect((0..<3).map(sequences.predictedTokenCount) == [3, 3, 1])
    #expect(sequences.byteCount == 6)  // the end of text is no byte
  }

  @Test("one window of exactly the text")
  func exact() throws {
    for remainder in [TextSequences.Remainder.dropped, .padded] {
      let sequences = try TextSequences(try stream("!\"#"), sequenceLength: 3, remainder: remainder, name: "the text")
      #expect(rows(sequences) == [[[1, 2, 3], [2, 3, 0]]])
    }
  }

  @Test("too little text is refused with the numbers")
  func refuses() throws {
    let stream = try stream("!\"#")
    let error = #expect(throws: CorpusError.self) {
      try TextSequences(stream, sequenceLength: 4, remainder: .dropped, name: "the training text")
    }
    #expect(error?.message.contains("the training text has 4 tokens and needs at least 5") == true)
    #expect(try TextSequences(stream, sequenceLength: 4, remainder: .padded, name: "the text").sequenceCount == 1)
  }
}
