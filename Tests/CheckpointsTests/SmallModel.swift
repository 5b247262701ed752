import Checkpoints
import Communication
import LanguageModel
import Tensors
import Testing
import Topology

/// A model for tests, every number of which tells which parameter, moment and save it belongs to.
struct SmallModel: Sendable {
  var configuration: ModelConfiguration
  var tokenizer: [UInt8]? = Array("{\"model\":{}}".utf8)

  init(layerCount: Int = 2) {
    configuration = ModelConfiguration(
      vocabularySize: 17, hiddenSize: 8, intermediateSize: 6, layerCount: layerCount, headCount: 2,
      keyValueHeadCount: 1, expertCount: 3, expertsPerToken: 2, maximumPositions: 32)
  }

  /// The layout of a rank among ranks that share the experts.
  func layout(rank: Int, expertParallelSize: Int) -> ParameterLayout {
    let part = BlockPartition(count: configuration.expertCount, parts: expertParallelSize)
    return ModelLayout.make(configuration, hostedExperts: part.range(of: rank % expertParallelSize))
  }

  /// A buffer whose values depend on the tensor's name, the element and `seed` only, so that replicas agree.
  func values(_ layout: ParameterLayout, seed: Int) -> ParameterBuffer {
    let buffer = ParameterBuffer(zeros: layout)
    for slot in layout.slots {
      let random = CounterRandom(seed: UInt64(seed), stream: slot.name)
      let values = buffer.values[slot.range]
      for index in 0..<values.count { values[index] = random.uniform(UInt64(index)) - 0.5 }
    }
    return buffer
  }

  func contents(_ layout: ParameterLayout, step: Int) -> CheckpointContents {
    CheckpointContents(
      configuration: configuration, weights: values(layout, seed: 3 * step),
      firstMoment: values(layout, seed: 3 * step + 1), secondMoment: values(layout, seed: 3 * step + 2),
      trainerState: Array("{\"step\": \(step)}".utf8), tokenizer: tokenizer)
  }

  /// Saves a step from as many ranks as there are, and waits for the end.
  func save(
    step: Int, in run: RunDirectory, over communicator: any Communicator, expertParallelSize: Int,
    keeping: Int? = nil, largestShard: Int = 5_000_000_000
  ) throws {
    let saver = try saver(
      run, over: communicator, expertParallelSize: expertParallelSize, keeping: keeping, largestShard: largestShard)
    let layout = layout(rank: communicator.rank.index, expertParallelSize: expertParallelSize)
    #expect(try saver.start(step: step, contents(layout, step: step)) == nil)
    let report = try #require(try saver.finish())
    #expect(report.path == run.checkpointPath(step: step))
    if let refusal = report.refusal { throw refusal }
    if let warning = report.warning { throw SaveWarning(text: warning) }
  }

  func saver(
    _ run: RunDirectory, over communicator: any Communicator, expertParallelSize: Int, keeping: Int? = nil,
    largestShard: Int = 5_000_000_000
  ) throws(CommunicationError) -> CheckpointSaver {
    try CheckpointSaver(
      run, of: configuration,
      layout: layout(rank: communicator.rank.index, expertParallelSize: expertParallelSize), keeping: keeping,
      communicator: communicator, largestShard: largestShard)
  }

  /// Whether a source brings every number of a step into a rank's buffers.
  func isLoaded(
    _ source: ModelSource, step: Int, over communicator: any Communicator, expertParallelSize: Int
  ) throws(Refusal) -> Bool {
    let layout = layout(rank: communicator.rank.index, expertParallelSize: expertParallelSize)
    let loaded = (0..<3).map { _ in ParameterBuffer(zeros: layout) }
    try source.loadTrainingState(weights: loaded[0], firstMoment: loaded[1], secondMoment: loaded[2])
    let expected = contents(layout, step: step)
    return source.step == step && source.trainerState == expected.trainerState && source.tokenizer == tokenizer
      && loaded[0].values.elements == expected.weights.values.elements
      && loaded[1].values.elements == expected.firstMoment.values.elements
      && loaded[2].values.elements == expected.secondMoment.values.elements
  }
}

/// A save that was complete, and something beside it went wrong.
struct SaveWarning: Error { let text: String }
