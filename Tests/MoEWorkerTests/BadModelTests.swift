import Checkpoints
import Foundation
import LanguageModel
import Tensors
import Testing

/// Model directories that must be refused, whatever is asked of the model.
@Suite(.serialized) struct BadModelTests {
  @Test(arguments: BadInput.models, [1, 4]) func areRefused(input: BadInput, ranks: Int) throws {
    try input.check(ranks: ranks)
  }
}

extension BadInput {
  /// A model that is written well and then spoiled.
  private static func model(
    _ description: String, exitCode: Int32, saying: [String],
    spoil: @escaping @Sendable (Folder, TinyModel) throws -> Void
  ) -> BadInput {
    BadInput(description, exitCode: exitCode, saying: saying) { folder in
      let model = try TinyModel(in: folder)
      try spoil(folder, model)
      return ["generate", "--model", model.path, "--prompt-tokens", "1,2,3", "--max-new-tokens", "1"]
    }
  }

  /// A model whose header is written by hand.
  private static func header(
    _ description: String, _ header: String, length: UInt64? = nil, dataCount: Int = 16, saying: [String] = []
  ) -> BadInput {
    model(description, exitCode: 65, saying: saying + ["model.safetensors"]) { folder, _ in
      try folder.writeSafetensors("model/model.safetensors", header: header, headerLength: length, dataCount: dataCount)
    }
  }

  /// A model whose `config.json` has other values under some keys.
  private static func configuration(
    _ description: String, exitCode: Int32, saying: [String], change: [String: any Sendable]
  ) -> BadInput {
    model(description, exitCode: exitCode, saying: saying) { folder, model in
      let file = URL(fileURLWithPath: model.configurationFile)
      var values = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any] ?? [:]
      for (key, value) in change { values[key] = value }
      try folder.write("model/config.json", JSONSerialization.data(withJSONObject: values))
    }
  }

  static let models: [BadInput] = directories + headers + contents + configurations

  private static let directories = [
    BadInput("a model that is not there", exitCode: 66, saying: ["nowhere"]) { folder in
      ["generate", "--model", folder.file("nowhere"), "--prompt-tokens", "1"]
    },
    BadInput("a model that is a file", exitCode: 66, saying: ["file.txt"]) { folder in
      ["generate", "--model", try folder.write("file.txt", "text"), "--prompt-tokens", "1"]
    },
    BadInput("an empty model directory", exitCode: 66, saying: ["model"]) { folder in
      try FileManager.default.createDirectory(atPath: folder.file("model"), withIntermediateDirectories: true)
      return ["generate", "--model", folder.file("model"), "--prompt-tokens", "1"]
    },
    model("a model without weights", exitCode: 66, saying: ["model.safetensors"]) { _, model in
      try FileManager.default.removeItem(atPath: model.weights)
    },
    model("a tokenizer that is no JSON", exitCode: 65, saying: ["tokenizer.json"]) { folder, _ in
      try folder.write("model/tokenizer.json", "{")
    },
  ]

  private static let headers = [
    header("a header longer than the file", "{}", length: 1 << 40, saying: ["header"]),
    header("a header of no length", "", dataCount: 0),
    header("a header that is no JSON", "{\"a\": "),
    header("a header that is a list", "[1, 2]"),
    header(
      "overlapping tensors",
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#),
    header(
      "a tensor beyond the file", #"{"a":{"dtype":"F32","shape":[400],"data_offsets":[0,1600]}}"#),
    header("offsets that run backwards", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}"#),
    header("negative offsets", #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#),
    header(
      "an absurd shape",
      #"{"a":{"dtype":"F32","shape":[4611686018427387904,4611686018427387904,16],"data_offsets":[0,16]}}"#),
    header("a negative extent", #"{"a":{"dtype":"F32","shape":[-2,-2],"data_offsets":[0,16]}}"#),
    header("a shape that does not fit its bytes", #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,16]}}"#),
    header("an unknown type", #"{"a":{"dtype":"F13","shape":[4],"data_offsets":[0,16]}}"#),
  ]

  private static let slots = ModelLayout.whole(TinyModel.configuration).slots

  private static let contents = [
    model("truncated weights", exitCode: 65, saying: ["model.safetensors"]) { folder, model in
      let bytes = try Data(contentsOf: URL(fileURLWithPath: model.weights))
      try folder.write("model/model.safetensors", bytes.dropLast(100))
    },
    model("weights with a flipped bit", exitCode: 65, saying: ["model.safetensors", "digest"]) { folder, model in
      var bytes = try Data(contentsOf: URL(fileURLWithPath: model.weights))
      bytes[bytes.count - 5] ^= 1
      try folder.write("model/model.safetensors", bytes)
    },
    model("a missing tensor", exitCode: 66, saying: [slots[0].name]) { _, model in
      try TinyModel.writeWeights(
        model.weights, slots.dropFirst().map { TensorDescription($0.name, shape: $0.shape.dimensions) })
    },
    model("an extra tensor", exitCode: 65, saying: ["model.layers.7.bias"]) { _, model in
      let own = slots.map { TensorDescription($0.name, shape: $0.shape.dimensions) }
      try TinyModel.writeWeights(model.weights, own + [TensorDescription("model.layers.7.bias", shape: [4])])
    },
    model("a tensor of another shape", exitCode: 65, saying: [slots[0].name]) { _, model in
      try TinyModel.writeWeights(
        model.weights, slots.map { TensorDescription($0.name, shape: $0.shape.dimensions.reversed() + [1]) })
    },
    model("weights of integers", exitCode: 78, saying: ["I32"]) { _, model in
      try TinyModel.writeWeights(
        model.weights, slots.map { TensorDescription($0.name, .i32, shape: $0.shape.dimensions) })
    },
  ]

  private static let configurations = [
    model("a configuration that is no JSON", exitCode: 65, saying: ["config.json"]) { folder, _ in
      try folder.write("model/config.json", "hidden_size = 16")
    },
    configuration(
      "an architecture that is not supported", exitCode: 78, saying: ["llama"],
      change: ["architectures": ["LlamaForCausalLM"], "model_type": "llama"]),
    configuration("another width than the weights'", exitCode: 65, saying: ["shape"], change: ["hidden_size": 32]),
    configuration(
      "more layers than the weights have", exitCode: 66, saying: ["layers.2"], change: ["num_hidden_layers": 3]),
    configuration(
      "fewer experts than the weights have", exitCode: 65, saying: ["[3, 16]"], change: ["num_local_experts": 3]),
    configuration(
      "more experts per token than experts", exitCode: 65, saying: ["experts"], change: ["num_experts_per_tok": 9]),
    configuration("a width that is negative", exitCode: 65, saying: ["hidden"], change: ["hidden_size": -16]),
    configuration("a width that is text", exitCode: 65, saying: ["hidden_size"], change: ["hidden_size": "16"]),
    configuration("absurdly many layers", exitCode: 65, saying: ["layers"], change: ["num_hidden_layers": 1 << 40]),
    configuration("absurdly many experts", exitCode: 65, saying: ["experts"], change: ["num_local_experts": 1 << 20]),
    configuration("attention windows", exitCode: 78, saying: ["sliding_window"], change: ["sliding_window": 8]),
    configuration(
      "scaled rotary positions", exitCode: 78, saying: ["rope"],
      change: ["rope_scaling": ["type": "linear", "factor": 2.0] as [String: any Sendable]]),
    configuration("another activation", exitCode: 78, saying: ["hidden_act"], change: ["hidden_act": "gelu"]),
  ]
}
