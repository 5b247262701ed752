import Foundation
import Testing

/// Training and evaluation that must be refused.
@Suite(.serialized) struct BadTrainingTests {
  @Test(arguments: BadInput.training, [1, 4]) func isRefused(input: BadInput, ranks: Int) throws {
    try input.check(ranks: ranks)
  }

  @Test(arguments: BadInput.evaluation, [1, 4]) func evaluationIsRefused(input: BadInput, ranks: Int) throws {
    try input.check(ranks: ranks)
  }

  @Test(arguments: BadInput.trainingFlags) func impossibleFlagsAreRefused(input: BadInput) throws {
    try input.check(ranks: 1)
  }

  @Test func groupsThatRanksCannotFormAreRefused() throws {
    let folder = try Folder()
    let text = try folder.write("text.txt", SampleText.make(bytes: 20_000))
    let arguments = ["train", "--corpus", text, "--output", folder.file("run"), "--expert-parallel", "3"]
    expectRefusal(try Program.run(arguments, ranks: 4), exitCode: 64, saying: "--expert-parallel 3", "1, 2, 4")
    #expect(try folder.contents().keys.sorted() == ["text.txt"])
  }

  /// Ranks on different hosts have different files behind one path: here, each rank has a folder of its own.
  @Test func aCorpusThatDiffersBetweenHostsIsRefused() throws {
    let folder = try Folder()
    for rank in 0..<2 { try folder.write("\(rank)/text.txt", SampleText.make(bytes: 20_000 + rank)) }
    let command = #"cd "\#(folder.path)/$PMI_RANK" && exec "\#(Program.executable)" "$@""#
    let train = ["train", "--corpus", "text.txt", "--output", folder.file("run")] + SmallRun.flags
    let outcome = try Program.run(
      Program.launcher, ["-np", "2", "/bin/sh", "-c", command, "sh"] + train, [:], limit: 60)
    expectRefusal(outcome, exitCode: 68, saying: "rank 1", "text.txt", "copy the same files")
    #expect(!FileManager.default.fileExists(atPath: folder.file("run")))
  }
}

extension BadInput {
  /// A small run with other flags, on good text unless the paths say otherwise.
  private static func train(
    _ description: String, exitCode: Int32, saying: [String],
    _ prepare: @escaping @Sendable (Folder) throws -> (corpus: [String], more: [String])
  ) -> BadInput {
    BadInput(description, exitCode: exitCode, saying: saying) { folder in
      let (corpus, more) = try prepare(folder)
      let output = more.contains("--output") ? [] : ["--output", folder.file("run")]
      return ["train", "--corpus"] + corpus + output + SmallRun.flags + more
    }
  }

  private static func goodText(_ folder: Folder) throws -> [String] {
    [try folder.write("text.txt", SampleText.make(bytes: 20_000))]
  }

  static let training: [BadInput] = corpora + tokenFiles + outputs + origins

  private static let corpora = [
    train("a corpus that is not there", exitCode: 66, saying: ["nowhere.txt", "--corpus"]) {
      ([$0.file("nowhere.txt")], [])
    },
    train("one path of several that is not there", exitCode: 66, saying: ["nowhere.txt"]) {
      (try goodText($0) + [$0.file("nowhere.txt")], [])
    },
    train("an empty file", exitCode: 65, saying: ["empty.txt", "empty"]) { ([try $0.write("empty.txt", "")], []) },
    train("a binary file", exitCode: 65, saying: ["image.png", "binary"]) { folder in
      ([try folder.write("image.png", Data((0..<4096).map { UInt8(truncatingIfNeeded: $0 * 7) }))], [])
    },
    train("a folder without text", exitCode: 65, saying: ["folder"]) { folder in
      try folder.write("folder/data.bin", Data(count: 100))
      return ([folder.file("folder")], [])
    },
    train("too little text for one sequence", exitCode: 65, saying: ["text", "tokens"]) {
      ([try $0.write("short.txt", "Hello, world.")], [])
    },
  ]

  private static let tokenFiles = [
    train("token ids beyond the vocabulary", exitCode: 65, saying: ["tokens.safetensors", "300"]) {
      ([try $0.writeTokens("tokens.safetensors", [Array(repeating: 300, count: 32)])], [])
    },
    train("a token file among text", exitCode: 65, saying: ["tokens.safetensors", "--corpus"]) {
      (try goodText($0) + [try $0.writeTokens("tokens.safetensors", [[1, 2, 3]])], [])
    },
    train("a token file of other sequences", exitCode: 64, saying: ["--sequence-length 32", "16"]) {
      ([try $0.writeTokens("tokens.safetensors", [Array(repeating: 1, count: 16)])], [])
    },
    train("a token file with a hostile header", exitCode: 65, saying: ["tokens.safetensors"]) {
      ([try $0.writeSafetensors("tokens.safetensors", header: "{}", headerLength: .max, dataCount: 8)], [])
    },
  ]

  private static let outputs = [
    train("an output that holds something", exitCode: 73, saying: ["run", "not empty", "--resume"]) { folder in
      try folder.write("run/notes.txt", "mine")
      return (try goodText(folder), [])
    },
    train("an output that is a file", exitCode: 73, saying: ["run"]) { folder in
      try folder.write("run", "mine")
      return (try goodText(folder), [])
    },
    train("an output below a file", exitCode: 73, saying: ["file/run"]) { folder in
      try folder.write("file", "mine")
      return (try goodText(folder), ["--output", folder.file("file/run")])
    },
    train("an output that cannot be written", exitCode: 73, saying: ["/proc/run"]) {
      (try goodText($0), ["--output", "/proc/run"])
    },
    train("metrics in a folder that is not there", exitCode: 73, saying: ["nowhere/metrics"]) {
      (try goodText($0), ["--metrics", $0.file("nowhere/metrics.jsonl")])
    },
  ]

  private static let origins = [
    train("metrics in a file of somebody's", exitCode: 73, saying: ["notes.txt", "--metrics"]) { folder in
      (try goodText(folder), ["--metrics", try folder.write("notes.txt", "mine")])
    },
    train("a model to begin with that is not there", exitCode: 66, saying: ["nowhere"]) { folder in
      (try goodText(folder), ["--init-from", folder.file("nowhere")])
    },
    train("a model to begin with of another shape", exitCode: 78, saying: ["--experts 16"]) { folder in
      (try goodText(folder), ["--init-from", try TinyModel(in: folder).path, "--experts", "16"])
    },
  ]

  private static func flags(_ flags: String, exitCode: Int32 = 64, saying: [String]) -> BadInput {
    BadInput("train \(flags)", exitCode: exitCode, saying: saying) { folder in
      ["train", "--corpus", try goodText(folder)[0], "--output", folder.file("run")]
        + flags.split(separator: " ").map(String.init)
    }
  }

  static let trainingFlags: [BadInput] = [
    flags("--experts 4 --experts-per-token 5", saying: ["--experts-per-token 5", "--experts 4"]),
    flags("--experts-per-token 9", saying: ["9 experts per token"]),
    flags("--experts 0", saying: ["--experts"]),
    flags("--expert-parallel 0", saying: ["--expert-parallel"]),
    flags("--sequence-length 513", saying: ["--sequence-length 513", "512"]),
    flags("--sequence-length 1", saying: ["--sequence-length"]),
    flags("--batch-tokens 1000", saying: ["--batch-tokens 1000", "256"]),
    flags("--batch-tokens 512 --micro-batch-tokens 1024", saying: ["--micro-batch-tokens"]),
    flags("--batch-tokens 512 --micro-batch-tokens 100", saying: ["--micro-batch-tokens 100"]),
    flags("--steps 0", saying: ["--steps"]),
    flags("--steps 10 --stop-after 11", saying: ["--stop-after"]),
    flags("--steps 10 --warmup 11", saying: ["--warmup"]),
    flags("--learning-rate 0", saying: ["--learning-rate"]),
    flags("--learning-rate nan", saying: ["--learning-rate"]),
    flags("--schedule cosine", saying: ["cosine", "eager"]),
    flags("--learning-rate-schedule linear", saying: ["linear", "cosine"]),
    flags("--weight-decay -1", saying: ["--weight-decay"]),
    flags("--beta2 1", saying: ["--beta2"]),
    flags("--gradient-clip inf", saying: ["--gradient-clip"]),
    flags("--capacity-factor 0", saying: ["--capacity-factor"]),
    flags("--capacity-factor nan", saying: ["--capacity-factor"]),
    flags("--balance-loss -0.1", saying: ["--balance-loss"]),
    flags("--z-loss nan", saying: ["--z-loss"]),
    flags("--checkpoint-every 0", saying: ["--checkpoint-every"]),
    flags("--evaluate-every -1", saying: ["--evaluate-every"]),
    flags("--vocabulary-size 10", saying: ["256"]),
    flags("--preset huge", saying: ["huge"]),
    flags("--experts 100000", exitCode: 69, saying: ["memory"]),
    flags("--batch-tokens 1073741824 --sequence-length 512", exitCode: 69, saying: ["memory"]),
  ]

  private static func evaluate(
    _ description: String, exitCode: Int32, saying: [String], withTokenizer: Bool = true,
    _ more: @escaping @Sendable (Folder) throws -> [String]
  ) -> BadInput {
    BadInput(description, exitCode: exitCode, saying: saying) { folder in
      ["evaluate", "--model", try TinyModel(in: folder, withTokenizer: withTokenizer).path, "--json"]
        + (try more(folder))
    }
  }

  static let evaluation: [BadInput] = [
    evaluate("a corpus that is not there", exitCode: 66, saying: ["nowhere"]) { ["--corpus", $0.file("nowhere")] },
    evaluate("windows longer than the positions", exitCode: 64, saying: ["33", "32"]) {
      ["--sequence-length", "33", "--corpus"] + (try goodText($0))
    },
    evaluate("text without a tokenizer", exitCode: 66, saying: ["tokenizer.json"], withTokenizer: false) {
      ["--corpus"] + (try goodText($0))
    },
    evaluate("one byte of text", exitCode: 65, saying: ["text"]) { ["--corpus", try $0.write("short.txt", "x")] },
    evaluate("held-out token ids", exitCode: 64, saying: ["--held-out"]) {
      ["--held-out", "--corpus", try $0.writeTokens("tokens.safetensors", [[1, 2]])]
    },
    evaluate("token ids beyond the vocabulary", exitCode: 65, saying: ["300"]) {
      ["--corpus", try $0.writeTokens("tokens.safetensors", [[1, 300]])]
    },
  ]
}
