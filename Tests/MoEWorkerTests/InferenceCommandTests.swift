import Checkpoints
import Foundation
import LanguageModel
import Tensors
import Testing

@Suite(.serialized) struct LogitsCommandTests {
  let folder: Folder
  let model: TinyModel

  init() throws {
    folder = try Folder()
    model = try TinyModel(in: folder)
  }

  private func logits(ranks: Int, threads: Int) throws -> [Float] {
    let tokens = try folder.writeTokens(
      "tokens.safetensors", [[1, 2, 3, 4, 5], [299, 0, 7, 7, 7], [8, 9, 10, 11, 12]])
    let output = folder.file("logits-\(ranks)-\(threads).safetensors")
    let outcome = try Program.run(
      ["logits", "--model", model.path, "--tokens", tokens, "--output", output, "--threads", "\(threads)"], ranks: ranks
    )
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
    let file = try SafetensorsFile(output)
    #expect(try file.entry("logits").shape == [3, 5, TinyModel.configuration.vocabularySize])
    let values = Buffer<Float>(count: 15 * TinyModel.configuration.vocabularySize)
    try file.read("logits", into: values)
    return values.elements
  }

  @Test func areTheSameToTheLastBitAtAnyNumberOfRanksAndThreads() throws {
    let expected = try logits(ranks: 1, threads: 1)
    #expect(Set(expected).count > 1000)
    for (ranks, threads) in [(1, 2), (2, 1), (3, 1), (4, 2), (5, 1)] {
      #expect(try logits(ranks: ranks, threads: threads) == expected, "\(ranks) ranks of \(threads) threads")
    }
  }

  @Test func leaveNothingBesideTheFile() throws {
    _ = try logits(ranks: 2, threads: 1)
    let names = try folder.contents().keys.filter { !$0.hasPrefix("model") }
    #expect(names.sorted() == ["logits-2-1.safetensors", "tokens.safetensors"])
  }
}

@Suite(.serialized) struct GenerateCommandTests {
  let folder: Folder
  let model: TinyModel

  init() throws {
    folder = try Folder()
    model = try TinyModel(in: folder)
  }

  private func generate(_ arguments: [String], ranks: Int = 1) throws -> (result: [String: Any], output: String) {
    let outcome = try Program.run(
      ["generate", "--model", model.path, "--max-new-tokens", "12", "--json"] + arguments, ranks: ranks)
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
    let last = try #require(outcome.output.split(separator: "\n").last, "\(outcome)")
    let result = try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any]
    return (try #require(result), outcome.output)
  }

  @Test func isTheSameOnAnyNumberOfRanks() throws {
    for sampling in [["--temperature", "0"], ["--temperature", "1.5", "--top-p", "0.9", "--seed", "7"]] {
      let expected = try generate(["--prompt", "Hello"] + sampling).result["tokens"] as? [Int]
      #expect(expected?.count == 12)
      for ranks in [2, 4, 5] {
        #expect(try generate(["--prompt", "Hello"] + sampling, ranks: ranks).result["tokens"] as? [Int] == expected)
      }
    }
  }

  @Test func takesAPromptAsTextOrAsTokens() throws {
    let text = try generate(["--prompt", "Hé", "--temperature", "0"]).result
    #expect(text["prompt_tokens"] as? [Int] == [72, 0xC3, 0xA9])
    let tokens = try generate(["--prompt-tokens", "72,195,169", "--temperature", "0"]).result
    #expect(tokens["tokens"] as? [Int] == text["tokens"] as? [Int])
  }

  @Test func showsTheTextThatItReports() throws {
    let (result, output) = try generate(["--prompt", "x", "--temperature", "1", "--seed", "3"])
    let text = try #require(result["text"] as? String)
    #expect(!text.isEmpty && output.hasPrefix(text), "\(output)")
  }

  @Test func worksWithoutATokenizerOnTokens() throws {
    try FileManager.default.removeItem(atPath: model.tokenizerFile)
    let result = try generate(["--prompt-tokens", "1,2,3", "--temperature", "0"]).result
    #expect((result["tokens"] as? [Int])?.count == 12 && result["text"] is NSNull)
  }

  @Test func stopsAtTheLastPosition() throws {
    let prompt = Array(repeating: "5", count: 30).joined(separator: ",")
    #expect((try generate(["--prompt-tokens", prompt, "--temperature", "0"]).result["tokens"] as? [Int])?.count == 2)
  }
}
