import Foundation
import LanguageModel
import Testing

/// Requests to a good model that must be refused.
@Suite(.serialized) struct BadRequestTests {
  @Test(arguments: BadInput.requests, [1, 4]) func areRefused(input: BadInput, ranks: Int) throws {
    try input.check(ranks: ranks)
  }

  @Test(arguments: BadInput.flags) func impossibleFlagsAreRefused(input: BadInput) throws {
    try input.check(ranks: 1)
  }
}

extension BadInput {
  private static func generate(
    _ description: String, _ arguments: [String], exitCode: Int32, saying: [String], withTokenizer: Bool = true
  ) -> BadInput {
    BadInput(description, exitCode: exitCode, saying: saying) { folder in
      ["generate", "--model", try TinyModel(in: folder, withTokenizer: withTokenizer).path] + arguments
    }
  }

  private static func logits(
    _ description: String, exitCode: Int32, saying: [String], output: String = "logits.safetensors",
    tokens: @escaping @Sendable (Folder) throws -> String
  ) -> BadInput {
    BadInput(description, exitCode: exitCode, saying: saying) { folder in
      let model = try TinyModel(in: folder)
      return ["logits", "--model", model.path, "--tokens", try tokens(folder), "--output", folder.file(output)]
    }
  }

  static let requests: [BadInput] = [
    generate("a token that the model does not have", ["--prompt-tokens", "1,300"], exitCode: 64, saying: ["300"]),
    generate(
      "a prompt as long as the model's positions",
      ["--prompt-tokens", Array(repeating: "1", count: 32).joined(separator: ",")], exitCode: 64, saying: ["32"]),
    generate("an empty prompt", ["--prompt", ""], exitCode: 64, saying: ["empty"]),
    generate(
      "a text prompt without a tokenizer", ["--prompt", "hello"], exitCode: 66,
      saying: ["tokenizer.json", "--prompt-tokens"], withTokenizer: false),
    logits("a token file that is not there", exitCode: 66, saying: ["nowhere"]) { $0.file("nowhere.safetensors") },
    logits("a token file that is text", exitCode: 65, saying: ["tokens"]) { try $0.write("tokens", "1 2 3 4 5 6 7 8") },
    logits("a token file without input_ids", exitCode: 66, saying: ["input_ids"]) { folder in
      try folder.writeSafetensors(
        "tokens", header: #"{"ids":{"dtype":"I64","shape":[1,2],"data_offsets":[0,16]}}"#, dataCount: 16)
    },
    logits("tokens that are floats", exitCode: 78, saying: ["F32"]) { folder in
      try folder.writeSafetensors(
        "tokens", header: #"{"input_ids":{"dtype":"F32","shape":[1,4],"data_offsets":[0,16]}}"#, dataCount: 16)
    },
    logits("tokens in one row", exitCode: 65, saying: ["[sequences, length]"]) { folder in
      try folder.writeSafetensors(
        "tokens", header: #"{"input_ids":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}}"#, dataCount: 16)
    },
    logits("no sequences", exitCode: 65, saying: ["[0, 5]"]) { folder in
      try folder.writeSafetensors(
        "tokens", header: #"{"input_ids":{"dtype":"I64","shape":[0,5],"data_offsets":[0,0]}}"#, dataCount: 0)
    },
    logits("a token id out of range", exitCode: 65, saying: ["300"]) {
      try $0.writeTokens("tokens", [[1, 2], [3, 300]])
    },
    logits("a negative token id", exitCode: 65, saying: ["-1"]) { try $0.writeTokens("tokens", [[1, 2], [-1, 3]]) },
    logits("a token id beyond 32 bits", exitCode: 65, saying: ["tokens"]) {
      try $0.writeTokens("tokens", [[1, 1 << 40]])
    },
    logits("sequences longer than the model's positions", exitCode: 65, saying: ["33", "32"]) {
      try $0.writeTokens("tokens", [Array(repeating: 1, count: 33)])
    },
    logits("an output folder that is not there", exitCode: 73, saying: ["nowhere"], output: "nowhere/logits") {
      try $0.writeTokens("tokens", [[1, 2]])
    },
    logits("an output that is a directory", exitCode: 73, saying: ["model"], output: "model") {
      try $0.writeTokens("tokens", [[1, 2]])
    },
    logits("an output that is the input", exitCode: 73, saying: ["tokens"], output: "tokens") {
      try $0.writeTokens("tokens", [[1, 2]])
    },
  ]

  /// A command line that is refused before any file is looked at.
  private static func flags(_ arguments: String, saying: [String]) -> BadInput {
    BadInput(arguments, exitCode: 64, saying: saying) { _ in arguments.split(separator: " ").map(String.init) }
  }

  static let flags: [BadInput] = [
    flags("generate --prompt x", saying: ["--model"]),
    flags("generate --model m", saying: ["--prompt"]),
    flags("generate --model m --prompt x --prompt-tokens 1", saying: ["--prompt-tokens"]),
    flags("generate --model m --prompt-tokens 1,,2", saying: ["--prompt-tokens"]),
    flags("generate --model m --prompt-tokens 1,-2", saying: ["--prompt-tokens"]),
    flags("generate --model m --prompt x --max-new-tokens 0", saying: ["--max-new-tokens"]),
    flags("generate --model m --prompt x --temperature nan", saying: ["--temperature"]),
    flags("generate --model m --prompt x --temperature -1", saying: ["--temperature"]),
    flags("generate --model m --prompt x --top-p 0", saying: ["--top-p"]),
    flags("generate --model m --prompt x --top-p 1.5", saying: ["--top-p"]),
    flags("generate --model m --prompt x --seed -1", saying: ["--seed"]),
    flags("generate --model m --prompt x --threads 0", saying: ["--threads"]),
    flags("generate --model m --prompt x --wait-limit inf", saying: ["--wait-limit"]),
    flags("logits --model m --tokens t", saying: ["--output"]),
    flags("bench layer --experts 4 --experts-per-token 5", saying: ["--experts-per-token 5", "--experts 4"]),
    flags("bench layer --tokens 0", saying: ["--tokens"]),
    flags("bench layer --activation relu", saying: ["relu"]),
    flags("bench layer --mode sideways", saying: ["sideways"]),
    flags("bench exchange", saying: ["--bytes"]),
    flags("bench exchange --bytes 0", saying: ["--bytes"]),
    flags("bench exchange --bytes -1", saying: ["--bytes"]),
    flags("bench exchange --bytes 64kb", saying: ["--bytes"]),
    flags("bench exchange --bytes 1073741825", saying: ["--bytes", "1073741824"]),
    flags("bench exchange --bytes 99999999999999999999", saying: ["--bytes"]),
    flags("bench exchange --bytes 1024 --repeat 0", saying: ["--repeat"]),
    flags("bench exchange --bytes 1024", saying: ["2 ranks", "mpirun"]),
    flags("bench step --preset huge", saying: ["huge"]),
    flags("bench step --batch-tokens 100000 --sequence-length 100000", saying: ["--sequence-length"]),
    flags("bench step --batch-tokens 1000", saying: ["--batch-tokens"]),
    flags("bench step --expert-parallel 2", saying: ["--expert-parallel"]),
    flags("bench step --expert-parallel 0", saying: ["--expert-parallel"]),
    flags("plan --hosts 2", saying: ["--ranks"]),
    flags("plan --ranks 2", saying: ["--hosts"]),
    flags("plan --ranks 2 --hosts 3 --link-rate 1gbit", saying: ["--hosts 3", "--ranks 2"]),
    flags("plan --ranks 0 --hosts 1", saying: ["--ranks"]),
    flags("plan --ranks 2 --hosts 0", saying: ["--hosts"]),
    flags("plan --ranks 100000 --hosts 2 --link-rate 1gbit", saying: ["--ranks 100000"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 0gbit", saying: ["--link-rate"]),
    flags("plan --ranks 2 --hosts 2 --link-rate -1gbit", saying: ["--link-rate"]),
    flags("plan --ranks 2 --hosts 2 --link-rate nangbit", saying: ["--link-rate"]),
    flags("plan --ranks 2 --hosts 2 --link-rate infgbit", saying: ["--link-rate"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 1e9gbit", saying: ["--link-rate"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 99999999gbit", saying: ["--link-rate"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 25", saying: ["--link-rate"]),
    flags("plan --ranks 2 --hosts 2 --link-rate fast", saying: ["--link-rate"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 1gbit --link-latency -1", saying: ["--link-latency"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 1gbit --link-latency 2e6", saying: ["--link-latency"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 1gbit --skew -1", saying: ["--skew"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 1gbit --skew nan", saying: ["--skew"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 1gbit --skew 11", saying: ["--skew"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 1gbit --tokens 0", saying: ["--tokens"]),
    flags("plan --ranks 1 --hosts 1 --tokens 2147483647", saying: ["--tokens 2147483647", "--ranks 1"]),
    flags("plan --ranks 4 --hosts 2 --link-rate 1gbit --tokens 2147483647 --chunk-rows 1", saying: ["--tokens"]),
    flags(
      "plan --ranks 2 --hosts 2 --link-rate 1gbit --experts 2 --experts-per-token 3",
      saying: ["--experts-per-token 3", "--experts 2"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 1gbit --schedule magic", saying: ["magic"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 1gbit --chunk-rows 0", saying: ["--chunk-rows"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 1gbit --group-size 0", saying: ["--group-size"]),
    flags("plan --ranks 2 --hosts 2 --link-rate 1gbit --mode backward", saying: ["backward"]),
  ]
}
