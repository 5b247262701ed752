import Checkpoints
import Communication
import TestSupport

/// The files of models and checkpoints.
enum CheckpointTargets {
  static let all = [json, safetensors, safetensorsJSON, configuration, index, manifest, foundModel, instruction]

  private static let json = FuzzTarget(
    "JSON", refusal: JSONError.self,
    seeds: FuzzTargets.bytes([
      #"{"a": [1, -2.5e3, true, null, "x\né\ud83d\ude00"], "b": {"c": {}, "d": []}, "e": 9007199254740993}"#
    ])
  ) { input in
    let value = try JSONReader.parse(input)
    try hold(try JSONReader.parse(Array(value.description.utf8)) == value, "it is not read back as it was written")
  }

  // MARK: Tensors

  private static let safetensors = FuzzTarget(
    "safetensors header", refusal: CheckpointError.self,
    seeds: [
      file(
        #"{"__metadata__":{"format":"pt","k":"v"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#
          + #""b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},"c":{"dtype":"U8","shape":[0],"data_offsets":[26,26]}}"#,
        dataCount: 26),
      file(#"{"x":{"dtype":"F4","shape":[3,2],"data_offsets":[0,3]}}   "#, dataCount: 3), file("{}", dataCount: 0),
    ],
    words: ["dtype", "shape", "data_offsets", "__metadata__", "F64", "I8", "BOOL", "F6_E2M3", "C64", "[0,0]", "\"a\""]
  ) { try readSafetensors($0) }

  /// The same with the length always right, which a change of the JSON would make wrong.
  private static let safetensorsJSON = FuzzTarget(
    safetensorsJSONName, refusal: CheckpointError.self,
    seeds: FuzzTargets.bytes([
      #"{"__metadata__":{"format":"pt","k":"v"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#
        + #""b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},"c":{"dtype":"U8","shape":[0],"data_offsets":[26,26]}}"#,
      #"{"x":{"dtype":"F6_E2M3","shape":[4,2],"data_offsets":[0,6]},"y":{"dtype":"I8","shape":[20],"data_offsets":[6,26]}}"#,
    ]),
    words: [
      "dtype", "shape", "data_offsets", "__metadata__", "F64", "I8", "BOOL", "F4", "C64", "[0,0]", "\"a\"", "26", "24",
      "\"k\":\"w\",", "\"e\u{301}\":\"1\",\"é\":\"2\",",
    ]
  ) { try readSafetensors(safetensorsFile(json: $0)) }

  static let safetensorsJSONName = "safetensors JSON"

  static func safetensorsFile(json: [UInt8]) -> [UInt8] {
    FuzzTargets.bytes([UInt64(json.count)]) + json + [UInt8](repeating: 7, count: 26)
  }

  private static func readSafetensors(_ input: [UInt8]) throws {
    // A file that is too short for the length has no header to speak of.
    guard input.count >= SafetensorsHeader.lengthFieldByteCount else { throw CheckpointError(.malformed, "f", "short") }
    let count = try SafetensorsHeader.jsonByteCount(
      lengthField: Array(input.prefix(SafetensorsHeader.lengthFieldByteCount)), fileSize: input.count, path: "f")
    let json = Array(input.dropFirst(SafetensorsHeader.lengthFieldByteCount).prefix(count))
    let header = try SafetensorsHeader(json: json, fileSize: input.count, path: "f")
    var end = 0
    for entry in header.entries {
      try hold(entry.bytes.lowerBound == end, "\(entry.name) does not follow what comes before it")
      try hold(entry.type.byteCount(of: entry.shape) == entry.bytes.count, "\(entry.name) has another size")
      try hold(entry.elementCount == entry.shape.reduce(1, *), "\(entry.name) has another count")
      end = entry.bytes.upperBound
    }
    try hold(header.byteCount + end == input.count, "the tensors do not cover the file")
  }

  private static func file(_ header: String, dataCount: Int) -> [UInt8] {
    FuzzTargets.bytes([UInt64(header.utf8.count)]) + Array(header.utf8) + [UInt8](repeating: 7, count: dataCount)
  }

  private static let index = FuzzTarget(
    "index", refusal: CheckpointError.self,
    seeds: FuzzTargets.bytes([
      #"{"metadata": {"total_size": 12}, "weight_map": {"a.weight": "model-00001-of-00002.safetensors", "#
        + #""b.weight": "model-00002-of-00002.safetensors"}}"#
    ]), words: ["weight_map", "model.safetensors", ".safetensors", "..", "/etc/x.safetensors"]
  ) { input in
    for (tensor, file) in try TensorCatalog.placement(input, path: "i") {
      try hold(!file.contains("/") && file != ".safetensors..", "\(tensor) lies outside, in \(file)")
      try hold(file.hasSuffix(".safetensors"), "\(tensor) lies in \(file)")
    }
  }

  // MARK: Small files

  private static let configuration = FuzzTarget(
    "config.json", refusal: CheckpointError.self,
    seeds: FuzzTargets.bytes([
      #"{"architectures":["MixtralForCausalLM"],"model_type":"mixtral","vocab_size":32,"hidden_size":8,"#
        + #""intermediate_size":6,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,"head_dim":4,"#
        + #""num_local_experts":3,"num_experts_per_tok":2,"max_position_embeddings":32,"rope_theta":1e6,"#
        + #""rms_norm_eps":1e-5,"tie_word_embeddings":false,"bos_token_id":1,"eos_token_id":[2],"sliding_window":null}"#,
      #"{"model_type":"mixtral","vocab_size":32,"hidden_size":8,"intermediate_size":6,"num_hidden_layers":2,"#
        + #""num_attention_heads":2,"num_key_value_heads":null,"num_local_experts":3,"num_experts_per_tok":2,"#
        + #""max_position_embeddings":32,"rope_parameters":{"rope_theta":1e4,"rope_type":"default"},"hidden_act":"silu"}"#,
    ]),
    words: ["rope_scaling", "layer_types", "\"full_attention\"", "sliding_window", "quantization_config", "head_dim"]
  ) { input in
    let configuration = try ConfigurationReader.read(input, path: "c")
    let written = ConfigurationWriter.configuration(configuration)
    try hold(try ConfigurationReader.read(written, path: "c") == configuration, "it is not read back as it was written")
  }

  private static let manifest = FuzzTarget(
    "checkpoint manifest", refusal: CheckpointError.self,
    seeds: FuzzTargets.bytes([
      #"{"version":1,"step":5,"files":{"config.json":{"bytes":7,"xxh64":"00112233445566aa"},"#
        + #""model.safetensors":{"bytes":99,"xxh64":"ffeeddccbbaa9988"}}}"#
    ]), words: ["version", "step", "files", "bytes", "xxh64", ".."]
  ) { input in
    let manifest = try CheckpointManifest(json: input, path: "m")
    try hold(!manifest.files.keys.contains { $0.contains("/") }, "a file lies outside")
    try hold(try CheckpointManifest(json: manifest.encoded, path: "m") == manifest, "it is not read back as written")
  }

  // MARK: Between ranks

  /// Parts with a zero byte between them.
  private static let foundModel = FuzzTarget(
    "description of a model, from rank 0", refusal: Refusal.self,
    seeds: [
      Array(
        (#"{"path":"m","step":4,"fingerprint":"f","notices":["n"],"has_tokenizer":true,"has_trainer_state":false}"#
          + "\0{}\0{}\0").utf8)
    ]
  ) { input in
    let parts = input.split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
    let found = try FoundModel(parts: parts)
    try hold(found.parts.count == parts.count, "it travels on in another number of parts")
  }

  private static let instruction = FuzzTarget(
    "instruction for a stream of tensors", refusal: FuzzTargets.NotRead.self,
    seeds: [[1, 2, 7, 4096, 512], [2, 0, 3, 0, 1 << 20], [3, 0, 0, 0, 0], [4, 0, 0, 0, 0]].map {
      FuzzTargets.bytes($0 as [Int64])
    }
  ) { input in
    var words = FuzzTargets.words(input, of: Int64.self).prefix(TensorStream.Instruction.wordCount)
    // A message that is short leaves the rest of the words as they were.
    while words.count < TensorStream.Instruction.wordCount { words.append(0) }
    guard let instruction = TensorStream.Instruction(words: Array(words)) else { throw FuzzTargets.NotRead() }
    try hold(TensorStream.Instruction(words: instruction.words) == instruction, "it is not read back as written")
  }
}
