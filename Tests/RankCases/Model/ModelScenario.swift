package import LanguageModel
package import Planning
package import Tensors

/// A small random model and a batch, one for each way in which models differ.
package struct ModelScenario: Sendable {
  package let name: String
  package let configuration: ModelConfiguration
  package let capacity: CapacityPolicy
  package let sequences: [[Int32]]
  package let targets: [[Int32]]
  /// Whether capacity must drop something.
  package var isDropping: Bool { capacity != .dropless }

  package init(
    _ name: String, capacity: CapacityPolicy = .dropless, sequenceLength: Int = 6,
    _ change: (inout ModelConfiguration) -> Void = { _ in }
  ) {
    var configuration = ModelConfiguration(
      vocabularySize: 19, hiddenSize: 12, intermediateSize: 10, layerCount: 2, headCount: 4, keyValueHeadCount: 2,
      headSize: 4, expertCount: 5, expertsPerToken: 2, maximumPositions: 16)
    configuration.initializerRange = 0.4
    configuration.ropeTheta = 100
    change(&configuration)
    self.name = name
    self.configuration = configuration
    self.capacity = capacity
    let random = CounterRandom(seed: 11, stream: name)
    let vocabularySize = configuration.vocabularySize
    let ids = (0...3 * sequenceLength).map { Int32(random.index(UInt64($0), below: vocabularySize)) }
    sequences = (0..<3).map { Array(ids[$0 * sequenceLength..<($0 + 1) * sequenceLength]) }
    // Each token's next one; one position of every sequence is not predicted.
    targets = (0..<3).map { sequence in
      (0..<sequenceLength).map { $0 == 2 ? -1 : ids[sequence * sequenceLength + $0 + 1] }
    }
  }

  package static let all = [
    ModelScenario("as Mixtral"),
    ModelScenario("tied embeddings") { $0.tiesEmbeddings = true },
    ModelScenario("dense layers between expert layers") {
      $0.layerCount = 3
      $0.expertLayerInterval = 2
    },
    ModelScenario("one dense layer before") { $0.expertLayerInterval = 2 },
    ModelScenario("every head with keys of its own") { $0.keyValueHeadCount = 4 },
    ModelScenario("one expert") {
      $0.expertCount = 1
      $0.expertsPerToken = 1
    },
    ModelScenario("all experts") { $0.expertsPerToken = 5 },
    ModelScenario("one choice") { $0.expertsPerToken = 1 },
    ModelScenario("capacity factor 0.6", capacity: .limited(factor: 0.6)),
    ModelScenario("capacity factor 0.2, one choice", capacity: .limited(factor: 0.2)) { $0.expertsPerToken = 1 },
    ModelScenario("sequences of one token", sequenceLength: 1) { $0.expertsPerToken = 3 },
  ]

  /// The same weights on any number of ranks; norms too are random.
  package func initialize(_ parameters: ParameterBuffer) {
    let random = CounterRandom(seed: 5, stream: name)
    for slot in parameters.layout.slots {
      let tensor = CounterRandom(seed: random.word(0), stream: slot.name)
      let isNorm = slot.shape.rank == 1
      for index in slot.range {
        let value = configuration.initializerRange * tensor.normal(UInt64(index - slot.range.lowerBound))
        parameters.values[index] = isNorm ? 1 + value : value
      }
    }
  }
}
