import Checkpoints
import Foundation
import TestSupport
import Testing
import Tokenization

private let verdictFolder = ProcessInfo.processInfo.environment["SWITCHYARD_FUZZ_VERDICTS"]

/// Writes down what we say of the fuzzer's inputs, for `launch/compare-parsers.py`, which asks Python's libraries the same.
@Suite("Parser verdicts", .enabled(if: verdictFolder != nil))
struct ParserVerdicts {
  @Test("of safetensors files") func safetensors() throws {
    let path = FileManager.default.temporaryDirectory.path + "/switchyard-verdict-\(getpid())"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try write(
      "safetensors.verdicts", on: CheckpointTargets.safetensorsJSONName, file: CheckpointTargets.safetensorsFile
    ) {
      input in
      try Data(input).write(to: URL(fileURLWithPath: path))
      _ = try SafetensorsFile(path)
    }
  }

  @Test("of tokenizers") func tokenizers() throws {
    try write("tokenizer.verdicts", on: "tokenizer.json") { _ = try Tokenizer(contentsOf: $0) }
  }

  /// For each input: the lengths of input and refusal as words of four bytes, the input, and the refusal, if any.
  private func write(
    _ name: String, on target: String, file: ([UInt8]) -> [UInt8] = \.self, read: ([UInt8]) throws -> Void
  ) throws {
    let target = try #require(FuzzTargets.all.first { $0.name == target })
    let settings = FuzzSettings()
    var records = Data()
    for number in settings.numbers(share: target.share) {
      let input = file(target.mutator.input(number, seed: settings.seed))
      var message = ""
      do { try read(input) } catch { message = "\(error)" }
      records += FuzzTargets.bytes([UInt32(input.count), UInt32(message.utf8.count)]) + input + Array(message.utf8)
    }
    try records.write(to: URL(fileURLWithPath: (verdictFolder ?? "") + "/" + name))
  }
}
