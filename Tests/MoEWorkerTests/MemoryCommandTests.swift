import Foundation
import LanguageModel
import Testing

@Suite struct MemoryCommandTests {
  private func mebibytes(ranks: Int, _ command: [String]) throws -> Int {
    let outcome = try Program.run(["memory", "--ranks", "\(ranks)", "--"] + command)
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
    return try #require(Int(outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)), "\(outcome)")
  }

  private func training(_ more: String...) -> [String] {
    ["train", "--preset", "base", "--corpus", "/no-such-text", "--output", "/no-such-folder"] + more
  }

  /// Weights, gradients and two moments of 4 bytes each, of all experts or of a share, and the copy that is saved: all but
  /// the gradients.
  @Test func countsATrainingsShare() throws {
    let count = try #require(ParameterCount(ModelConfiguration.Preset.base.configuration))
    let (all, half) = (count.total, count.replicated + count.expertCount / 2 * count.perExpert)
    for (ranks, parameters) in [(1, all), (2, half)] {
      let found = try mebibytes(ranks: ranks, training())
      let least = (16 + 12) * parameters >> 20
      #expect(found >= least && found < least + 1024, "\(found) MiB for \(parameters) parameters")
    }
    let small = try mebibytes(ranks: 2, training("--batch-tokens", "256"))
    #expect(try small < mebibytes(ranks: 2, training("--batch-tokens", "262144")))
    // Both ranks hold every expert.
    #expect(try mebibytes(ranks: 2, training("--expert-parallel", "1")) > 16 * all >> 20)
  }

  @Test func countsAModelsWeights() throws {
    let folder = try Folder()
    let model = try TinyModel(in: folder)
    for command in [["evaluate", "--corpus", "x"], ["generate", "--prompt", "a"]] {
      #expect(try mebibytes(ranks: 2, command + ["--model", model.path]) == 1)
    }
    #expect(try mebibytes(ranks: 2, ["doctor"]) == 0)
  }

  @Test func refusesWhatWouldBeRefused() throws {
    expectRefusal(try Program.run(["memory", "--ranks", "2"]), exitCode: 64, saying: "command")
    expectRefusal(try Program.run(["memory", "--ranks", "0", "--", "doctor"]), exitCode: 64, saying: "--ranks")
    expectRefusal(try Program.run(["memory", "--ranks", "2", "--", "--help"]), exitCode: 64, saying: "subcommand")
    expectRefusal(try Program.run(["memory", "--ranks", "2", "--", "frobnicate"]), exitCode: 64, saying: "frobnicate")
    expectRefusal(
      try Program.run(["memory", "--ranks", "3", "--"] + training("--expert-parallel", "2")), exitCode: 64,
      saying: "--expert-parallel 2")
    expectRefusal(
      try Program.run(["memory", "--ranks", "2", "--", "evaluate", "--model", "/no-such", "--corpus", "x"]),
      exitCode: 66, saying: "/no-such")
    expectRefusal(
      try Program.run(["memory", "--ranks", "2", "--", "doctor"], ranks: 2), exitCode: 64, saying: "without mpirun")
  }
}
