import Checkpoints
import Foundation
import LanguageModel
import Tensors
import Testing

/// The model that transformers wrote.
@Suite("The reference model", .enabled(if: SharedData.mixtral != nil, "no shared/reference-models beside the checkout"))
struct ReferenceModelTests {
  private let path = SharedData.mixtral ?? ""

  @Test("its configuration is read") func configuration() throws {
    let configuration = try ModelDirectory(path).configuration
    var expected = ModelConfiguration(
      vocabularySize: 128, hiddenSize: 48, intermediateSize: 80, layerCount: 3, headCount: 4, keyValueHeadCount: 2,
      expertCount: 8, expertsPerToken: 2, maximumPositions: 256)
    expected.balanceLossCoefficient = 0.02
    expected.beginningToken = 1
    expected.endToken = 2
    #expect(configuration == expected)
  }

  @Test("both spellings of its configuration mean the same") func spellings() throws {
    func read(_ name: String) throws -> ModelConfiguration {
      let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)))
      return try ConfigurationReader.read(bytes, path: name)
    }
    #expect(try read("config.json") == read("config.v4.json"))
  }

  @Test("a rank loads its own experts, and the same values as one that holds everything") func parts() throws {
    let model = try ModelDirectory(path)
    let whole = ParameterBuffer(zeros: ModelLayout.whole(model.configuration))
    try model.loadParameters(into: whole)
    #expect(whole.values.elements.contains { $0 != 0 })
    for experts in [0..<3, 3..<8] {
      let part = ParameterBuffer(zeros: ModelLayout.make(model.configuration, hostedExperts: experts))
      try model.loadParameters(into: part)
      for slot in part.layout.slots { #expect(part[slot].elements == whole[slot.name].elements) }
    }
  }

  @Test("its tokens are read as integers") func tokens() throws {
    let file = try SafetensorsFile(path + "/reference.safetensors")
    let integers = file.header.entries.filter { $0.type == .i64 }
    #expect(!integers.isEmpty)
    for entry in integers {
      let ids = Buffer<Int32>(count: entry.elementCount)
      try file.readIntegers(entry.name, into: ids)
      #expect(ids.elements.contains { $0 != 0 })
    }
  }
}
