import Checkpoints
import Communication
import LanguageModel
import Tensors
import Testing

@Suite("Model directories")
struct ModelDirectoryTests {
  private let disk = SimulatedDisk(directory: "model")
  private let model = SmallModel()

  private func tensors(_ configuration: ModelConfiguration) -> [String: [Int]] {
    Dictionary(
      uniqueKeysWithValues: ModelLayout.whole(configuration).slots.map { ($0.name, $0.shape.dimensions) })
  }

  private func write(_ name: String, _ tensors: [String: [Int]], value: Float = 0.5) throws {
    let output = try TensorOutput(
      "model/" + name, tensors: tensors.map { TensorDescription($0.key, shape: $0.value) }, files: disk)
    let count = tensors.values.reduce(0) { $0 + $1.reduce(1, *) }
    try output.append(Buffer([Float](repeating: value, count: count)))
    try output.finish()
  }

  private func writeConfiguration(_ configuration: ModelConfiguration) throws {
    try disk.writeFile("model/config.json", ConfigurationWriter.configuration(configuration))
  }

  private func writeIndex(_ placement: [String: JSONValue]) throws {
    let document: JSONValue = ["weight_map": .object(placement)]
    try disk.writeFile("model/model.safetensors.index.json", Array(document.description.utf8))
  }

  private func openingError() -> CheckpointError? {
    checkpointError { _ = try ModelDirectory("model", files: disk) }
  }

  // MARK: Tensors

  @Test("whose tensors fit are opened") func complete() throws {
    try writeConfiguration(model.configuration)
    try write("model.safetensors", tensors(model.configuration))
    #expect(try ModelDirectory("model", files: disk).configuration == model.configuration)
  }

  @Test("with dense layers between are opened") func interleaved() throws {
    var configuration = model.configuration
    configuration.expertLayerInterval = 2
    try writeConfiguration(configuration)
    try write("model.safetensors", tensors(configuration))
    #expect(try ModelDirectory("model", files: disk).configuration == configuration)
  }

  @Test("are refused, with file and name, when any tensor is missing") func missing() throws {
    try writeConfiguration(model.configuration)
    let all = tensors(model.configuration)
    for name in all.keys {
      try write("model.safetensors", all.filter { $0.key != name })
      let error = openingError()
      #expect(error?.code == .missing)
      #expect(error?.tensor == name)
    }
  }

  @Test("are refused when there is a tensor more") func extra() throws {
    try writeConfiguration(model.configuration)
    let name = "model.layers.0.self_attn.q_proj.bias"
    try write("model.safetensors", tensors(model.configuration).merging([name: [8]]) { own, _ in own })
    let error = openingError()
    #expect(error?.code == .contradiction)
    #expect(error?.path == "model/model.safetensors")
    #expect(error?.tensor == name)
  }

  @Test("are refused with both numbers when a configuration contradicts the weights") func contradiction() throws {
    try write("model.safetensors", tensors(model.configuration))
    var other = model.configuration
    other.vocabularySize = 18
    try writeConfiguration(other)
    let error = openingError()
    #expect(error?.code == .contradiction)
    #expect(error?.tensor == "model.embed_tokens.weight")
    #expect(error?.message.contains("its shape is [17, 8], config.json asks for [18, 8]") == true)
  }

  @Test("are refused at once when a configuration asks for absurdly many tensors") func absurd() throws {
    try write("model.safetensors", tensors(model.configuration))
    var other = model.configuration
    other.expertCount = 300_000
    try writeConfiguration(other)
    let error = openingError()
    #expect(error?.code == .contradiction)
    #expect(error?.message.contains("asks for 1800000 tensors of experts, the files hold") == true)
  }

  @Test("are refused when a weight is of another type") func wrongType() throws {
    try writeConfiguration(model.configuration)
    var descriptions = tensors(model.configuration).map { TensorDescription($0.key, shape: $0.value) }
    let index = try #require(descriptions.firstIndex { $0.name == "model.norm.weight" })
    descriptions[index] = TensorDescription("model.norm.weight", .i32, shape: [8])
    let output = try TensorOutput("model/model.safetensors", tensors: descriptions, files: disk)
    let count = descriptions.reduce(0) { $0 + $1.shape.reduce(1, *) }
    try output.append(Buffer<Float>(count: count))
    try output.finish()
    #expect(openingError()?.code == .unsupported)
    #expect(openingError()?.tensor == "model.norm.weight")
  }

  @Test("without weights are refused, those with pickled ones saying why") func foreign() throws {
    try writeConfiguration(model.configuration)
    #expect(openingError()?.code == .missing)
    try disk.writeFile("model/pytorch_model.bin", [1])
    #expect(openingError()?.code == .unsupported)
    #expect(openingError()?.message.hasPrefix("pytorch_model.bin can hold code") == true)
  }

  // MARK: Tied embeddings

  @Test("with tied embeddings need no output head, and may repeat the table") func tied() throws {
    var configuration = model.configuration
    configuration.tiesEmbeddings = true
    try writeConfiguration(configuration)
    try write("model.safetensors", tensors(configuration))
    #expect(openingError() == nil)
    try write("model.safetensors", tensors(configuration).merging(["lm_head.weight": [17, 8]]) { own, _ in own })
    #expect(openingError() == nil)
    try write("model.safetensors", tensors(configuration).merging(["lm_head.weight": [8, 17]]) { own, _ in own })
    #expect(openingError()?.message.contains("[8, 17]") == true)
  }

  @Test("with tied embeddings and another output head are refused") func tiedButDifferent() throws {
    var configuration = model.configuration
    configuration.tiesEmbeddings = true
    try writeConfiguration(configuration)
    try write("head.safetensors", ["lm_head.weight": [17, 8]], value: 0.25)
    try write("rest.safetensors", tensors(configuration))
    var placement = tensors(configuration).mapValues { _ in "rest.safetensors" as JSONValue }
    placement["lm_head.weight"] = "head.safetensors"
    try writeIndex(placement)
    #expect(openingError()?.code == .contradiction)
    #expect(openingError()?.tensor == "lm_head.weight")
  }

  // MARK: Several files

  private func writeShards() throws -> [String: JSONValue] {
    try writeConfiguration(model.configuration)
    let all = tensors(model.configuration)
    let first = all.filter { $0.key.contains("layers.0") }
    try write("first.safetensors", first)
    try write("second.safetensors", all.filter { first[$0.key] == nil })
    return all.reduce(into: [:]) {
      $0[$1.key] = first[$1.key] == nil ? "second.safetensors" : "first.safetensors"
    }
  }

  @Test("in several files are read by their index") func shards() throws {
    try writeIndex(try writeShards())
    let parameters = ParameterBuffer(zeros: ModelLayout.whole(model.configuration))
    try ModelDirectory("model", files: disk).loadParameters(into: parameters)
    for slot in parameters.layout.slots { #expect(parameters[slot].elements.allSatisfy { $0 == 0.5 }) }
  }

  static let escapes: [JSONValue] = [
    "../first.safetensors", "/etc/first.safetensors", "a/first.safetensors", "..", ".", "", "first.bin", 3, .null,
    ["first.safetensors"], "first.safetensors\u{0}",
  ]

  @Test("are refused when the index names something other than a file of theirs", arguments: escapes)
  func escape(file: JSONValue) throws {
    var placement = try writeShards()
    placement["model.norm.weight"] = file
    try writeIndex(placement)
    #expect(openingError()?.code == .malformed)
    #expect(openingError()?.tensor == "model.norm.weight")
  }

  @Test("are refused when index and files differ") func wrongIndex() throws {
    let placement = try writeShards()
    for change in ["first.safetensors" as JSONValue, nil] {
      var changed = placement
      changed["model.norm.weight"] = change
      try? disk.removeFile("model/model.safetensors.index.json")
      try writeIndex(changed)
      #expect(openingError()?.code == .contradiction)
      #expect(openingError()?.tensor == "model.norm.weight")
    }
    try disk.removeFile("model/model.safetensors.index.json")
    try writeIndex(placement.merging(["x": "first.safetensors"]) { own, _ in own })
    #expect(openingError()?.tensor == "x")
    try disk.removeFile("model/first.safetensors")
    #expect(openingError()?.code == .missing)
    #expect(openingError()?.path == "model/first.safetensors")
  }

  @Test("are refused when two files hold one tensor") func twice() throws {
    let placement = try writeShards()
    try write(
      "first.safetensors",
      tensors(model.configuration).filter { $0.key.contains("layers.0") || $0.key == "model.norm.weight" })
    try writeIndex(placement)
    #expect(openingError()?.code == .contradiction)
    #expect(openingError()?.message.contains("also in model/first.safetensors") == true)
  }

  static let badIndexes = [
    "", "[]", "{}", "{\"weight_map\":{}}", "{\"weight_map\":3}", "{\"weight_map\":{\"a\":\"x\"}",
  ]

  @Test("are refused when the index is no index", arguments: badIndexes) func badIndex(text: String) throws {
    _ = try writeShards()
    try disk.writeFile("model/model.safetensors.index.json", Array(text.utf8))
    #expect(openingError()?.code == .malformed)
    #expect(openingError()?.path == "model/model.safetensors.index.json")
  }

  // MARK: By several ranks

  @Test("that cannot be opened are refused on all ranks alike", arguments: ["", "config", "weights"])
  func refusedTogether(has: String) throws {
    if has != "" { try writeConfiguration(model.configuration) }
    if has == "weights" { try write("model.safetensors", ["x": [1]]) }
    let results = LoopbackFabric(ranks: 3).run { communicator in
      _ = try ModelSource.model("model", communicator: communicator, files: disk)
    }
    let refusals = results.map { result in #expect(throws: Refusal.self) { try result.get() } }
    #expect(Set(refusals.map { $0?.message }).count == 1)
    #expect(refusals.allSatisfy { [.missingInput, .invalidData].contains($0?.kind) })
  }
}
