import Communication
import LanguageModel
import Testing

struct ModelConfigurationTests {
  /// One impossible value each, and a word that its message must hold.
  static let impossible: [(change: @Sendable (inout ModelConfiguration) -> Void, word: String)] = [
    ({ $0.expertsPerToken = 9 }, "9 experts per token of 8"),
    ({ $0.expertsPerToken = 0 }, "0 experts per token"),
    ({ $0.headCount = 3 }, "3 attention heads"),
    ({ $0.headSize = 7 }, "head size is 7"),
    ({ $0.hiddenSize = 0 }, "hidden size is 0"),
    ({ $0.vocabularySize = -1 }, "vocabulary size is -1"),
    ({ $0.expertLayerInterval = 0 }, "expert layer interval is 0"),
    ({ $0.expertLayerInterval = 5 }, "every 5 layers"),
    ({ $0.layerCount = .max }, "number of layers"),
    ({ $0.layerCount = 1 << 30 }, "tensors"),
    ({ $0.expertCount = 1 << 30 }, "tensors"),
    (
      {
        $0.hiddenSize = 1 << 30
        $0.intermediateSize = 1 << 30
      }, "more parameters"
    ),
    ({ $0.ropeTheta = .infinity }, "rotary base"),
    ({ $0.normEpsilon = 0 }, "epsilon"),
    ({ $0.normEpsilon = .nan }, "epsilon"),
    ({ $0.balanceLossCoefficient = -1 }, "balance loss"),
    ({ $0.zLossCoefficient = .nan }, "z-loss"),
    ({ $0.endToken = 2048 }, "end token is 2048"),
  ]

  @Test("a value that cannot be is refused with its name", arguments: impossible.indices)
  func refusals(index: Int) {
    var configuration = ModelConfiguration.Preset.tiny.configuration
    let (change, word) = Self.impossible[index]
    change(&configuration)
    let error = #expect(throws: ConfigurationError.self) { try configuration.validate() }
    #expect(error?.message.contains(word) == true, "\(error?.message ?? "") should contain: \(word)")
    #expect(error?.refusal.kind == .configuration)
  }
}
