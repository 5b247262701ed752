import Foundation
import Testing

/// Training as a user starts it: a few steps of a small model on a little text.
@Suite(.serialized) struct TrainCommandTests {
  let folder: Folder
  let text: String

  init() throws {
    folder = try Folder()
    text = try folder.write("text.txt", SampleText.make(bytes: 40_000))
  }

  private func arguments(_ output: String, _ more: String...) -> [String] {
    ["train", "--corpus", text, "--output", folder.file(output)] + SmallRun.flags + more
  }

  private func metrics(_ output: String) throws -> [[String: Any]] {
    try folder.text("\(output)/metrics.jsonl").split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
  }

  private func losses(_ output: String) throws -> [Double] { try metrics(output).compactMap { $0["loss"] as? Double } }

  @discardableResult
  private func run(_ arguments: [String], ranks: Int = 1, environment: [String: String] = [:]) throws -> Program.Outcome
  {
    let outcome = try Program.run(arguments, ranks: ranks, environment: environment, limit: 120)
    #expect(outcome.exitCode == 0, "\(outcome)")
    return outcome
  }

  @Test func leadsFromTextToAModelThatEvaluatesAndGenerates() throws {
    let trained = try run(arguments("run", "--evaluate-every", "3"), ranks: 2)
    #expect(trained.errors.isEmpty && trained.output.contains("parameters"), "\(trained)")
    #expect(trained.output.contains("step 6/6") && trained.output.contains("held-out loss"), "\(trained)")
    #expect(trained.output.contains("saved \(folder.file("run"))/checkpoint-6"), "\(trained)")

    let evaluated = try run(
      ["evaluate", "--model", folder.file("run"), "--corpus", text, "--held-out", "--sequence-length", "32", "--json"],
      ranks: 3)
    let result = try #require(
      try JSONSerialization.jsonObject(with: Data(evaluated.output.utf8)) as? [String: Any], "\(evaluated)")
    let loss = try #require(result["loss"] as? Double)
    let heldOut = try #require(metrics("run").last?["held_out_loss"] as? Double)
    #expect(abs(loss - heldOut) < 1e-5 * loss, "\(loss) after training, \(heldOut) in it")
    #expect(abs((result["perplexity"] as? Double ?? 0) - exp(loss)) < 1e-6 * exp(loss))
    #expect(result["bits_per_byte"] as? Double ?? 0 > 0 && result["tokens"] as? Int ?? 0 > 100)

    let generated = try run(
      ["generate", "--model", folder.file("run"), "--prompt", "the ", "--max-new-tokens", "8"], ranks: 2)
    #expect(!generated.output.isEmpty && generated.errors.isEmpty, "\(generated)")
  }

  @Test func everyScheduleOfTheExchangeTrainsTheSameModel() throws {
    let flags = [
      ["--schedule", "sequential"], ["--schedule", "pairwise", "--group-size", "2"], ["--schedule", "eager"],
    ]
    var models: Set<Data> = []
    for (number, flags) in flags.enumerated() {
      try run(arguments("run\(number)") + flags, ranks: 3)
      let model = URL(fileURLWithPath: folder.file("run\(number)/checkpoint-6/model.safetensors"))
      models.insert(try Data(contentsOf: model))
    }
    #expect(models.count == 1)
  }

  @Test func theLearningRateFollowsTheScheduleThatIsNamed() throws {
    let flags = ["--learning-rate", "0.002", "--warmup", "1", "--learning-rate-schedule"]
    for (name, falls) in [("cosine", true), ("constant", false)] {
      try run(arguments(name) + flags + [name])
      let rates = try metrics(name).compactMap { $0["learning_rate"] as? Double }
      #expect((rates[5] < rates[1]) == falls && abs(rates[1] - 0.002) < 1e-4, "\(rates)")
    }
  }

  @Test func writesEveryMetricOfEveryStep() throws {
    try run(arguments("run"))
    let lines = try metrics("run")
    #expect(lines.compactMap { $0["step"] as? Int } == Array(1...6))
    let fields = [
      "step", "loss", "balance_loss", "z_loss", "total_loss", "learning_rate", "gradient_norm", "tokens_per_second",
      "load_imbalance", "dropped_fraction", "expert_layers_milliseconds", "exchange_milliseconds",
      "exposed_exchange_milliseconds",
      "step_milliseconds", "activation_bytes",
    ]
    for line in lines { for field in fields { #expect(line[field] is NSNumber, "\(field) in \(line)") } }
  }

  @Test func goesOnWhereItStopped() throws {
    try run(arguments("whole"), ranks: 2)
    let stopped = try run(arguments("parts", "--stop-after", "2"), ranks: 2)
    #expect(stopped.output.contains("checkpoint-2"), "\(stopped)")
    #expect(try losses("parts").count == 2)
    let resumed = try run(arguments("parts", "--resume"), ranks: 2)
    #expect(resumed.output.contains("from step 2"), "\(resumed)")
    #expect(try losses("parts") == losses("whole"))
    let weights = { (output: String) in
      try Data(contentsOf: URL(fileURLWithPath: folder.file("\(output)/checkpoint-6/model.safetensors")))
    }
    #expect(try weights("parts") == weights("whole"))
  }

  @Test func goesOnWithTheWordsThatItBeganWith() throws {
    let asked = ["--vocabulary-size", "400"]  // more than the text gives
    let first = try run(arguments("run", "--stop-after", "2") + asked)
    #expect(first.errors.contains("vocabulary"), "\(first)")
    try run(arguments("run", "--resume") + asked)
    #expect(try losses("run").count == 6)
  }

  @Test func beginsWithAnotherModelsWeights() throws {
    try run(arguments("first"))
    let second = try run(
      [
        "train", "--corpus", text, "--output", folder.file("second"), "--init-from", folder.file("first"), "--steps",
        "2",
        "--sequence-length", "32", "--batch-tokens", "256",
      ])
    #expect(second.errors.isEmpty, "\(second)")
    let (before, after) = (try losses("first"), try losses("second"))
    #expect(after[0] < before[0] - 0.1, "\(before) then \(after)")
  }

  @Test func trainsOnTokenIdsWithoutATokenizer() throws {
    let tokens = try folder.writeTokens(
      "tokens.safetensors", (0..<16).map { row in (0..<33).map { Int64(($0 * 7 + row) % 250) } })
    let outcome = try run(
      [
        "train", "--corpus", tokens, "--output", folder.file("run"), "--steps", "2", "--batch-tokens", "132",
        "--vocabulary-size", "256",
      ])
    #expect(outcome.output.contains("sequences of 33"), "\(outcome)")
    let generated = try run(
      [
        "generate", "--model", folder.file("run"), "--prompt-tokens", "1,8", "--max-new-tokens", "2", "--temperature",
        "0",
      ])
    #expect(generated.output.split(separator: ",").count == 2, "\(generated)")
  }

  @Test func saysSoWhenTextIsNotUTF8AndGoesOn() throws {
    try folder.write("text.txt", SampleText.make(bytes: 40_000) + Data([0xE9, 0x20, 0xE8, 0x0A]))
    let outcome = try run(arguments("run"), ranks: 2)
    #expect(outcome.errorLines.count == 1 && outcome.errors.contains("UTF-8"), "\(outcome)")
    #expect(outcome.output.contains("checkpoint-6"))
  }

  @Test func rewritesOneLineOnATerminal() throws {
    let terminal = try run(arguments("one"), environment: ["MOE_WORKER_TERMINAL": "1"]).output
    #expect(terminal.components(separatedBy: "\r").count > 6 && terminal.contains("left"), "\(terminal)")
    #expect(!(try run(arguments("other")).output.contains("\r")))
  }

  @Test func saysHowAStepWithoutNumbersIsRepeated() throws {
    let first = try Program.run(
      arguments("a run", "--learning-rate", "1e30", "--checkpoint-every", "1"), ranks: 2, limit: 120)
    #expect(first.exitCode == 81 && first.errors.contains("step 2 has no numbers any more from "), "\(first)")
    let command = try #require(first.errorLines.first?.components(separatedBy: "the same step comes again with: ").last)
    #expect(command.contains("train --resume ") && command.contains("'\(folder.file("a run"))'"), "\(command)")
    let second = try Program.run("/bin/sh", ["-c", command], [:], limit: 120)
    #expect(second.exitCode == 81 && second.errorLines.first == first.errorLines.first, "\(second)")
    #expect(second.output.contains("from step 1"), "\(second)")
  }

  @Test func putsMetricsWhereItIsTold() throws {
    try run(arguments("run", "--metrics", folder.file("elsewhere.jsonl")))
    #expect(try folder.text("elsewhere.jsonl").split(separator: "\n").count == 6)
  }
}

/// Flags of a run that takes a second.
enum SmallRun {
  static let flags = [
    "--preset", "tiny", "--vocabulary-size", "280", "--steps", "6", "--sequence-length", "32", "--batch-tokens", "256",
  ]

  /// Such a run, with a checkpoint every two steps.
  static func training(on text: String, into output: String, _ more: [String] = []) -> [String] {
    ["train", "--corpus", text, "--output", output, "--checkpoint-every", "2"] + flags + more
  }
}

/// Text that is the same every time, of words that follow one another with some regularity.
enum SampleText {
  private static let words = ["the", "rank", "sends", "a", "token", "to", "an", "expert", "and", "waits", "for", "it"]

  static func make(bytes: Int) -> Data {
    var text = ""
    var state: UInt32 = 1
    while text.utf8.count < bytes {
      state = state &* 1_664_525 &+ 1_013_904_223
      text += words[Int(state >> 24) % words.count] + (state >> 20 & 15 == 0 ? ".\n" : " ")
    }
    return Data(text.utf8.prefix(bytes))
  }
}
