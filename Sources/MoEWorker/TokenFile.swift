import Checkpoints
import Communication
import LanguageModel
import Tensors
import Topology

/// Token ids of sequences, in a safetensors file: `input_ids` [sequences, length].
enum TokenFile {
  static let tensorName = "input_ids"

  /// Reads the file where rank 0 sees it, and gives every rank all of its tokens.
  static func read(
    _ path: String, _ configuration: ModelConfiguration, over world: any Communicator
  ) throws -> TokenBatch {
    var shape: [Int64] = [0, 0]
    var tokens = Buffer<Int32>(count: 0)
    try world.agree {
      guard world.rank == Rank(0) else { return }
      let file = try SafetensorsFile(path)
      shape = try checkedShape(file, configuration).map(Int64.init)
      tokens = Buffer(count: Int(shape[0] * shape[1]))
      try file.readIntegers(tensorName, into: tokens)
      try check(tokens, path, configuration)
    }
    let sizes = Buffer(shape)
    try world.broadcast(sizes, from: Rank(0))
    let (sequenceCount, length) = (Int(sizes[0]), Int(sizes[1]))
    if world.rank != Rank(0) { tokens = Buffer(count: sequenceCount * length) }
    try world.broadcast(tokens, from: Rank(0))
    return TokenBatch(
      tokens: tokens, sequenceCount: sequenceCount, sequenceLength: length, tokenLimit: sequenceCount * length)
  }

  private static func checkedShape(_ file: SafetensorsFile, _ configuration: ModelConfiguration) throws -> [Int] {
    let shape = try file.entry(tensorName).shape
    guard shape.count == 2, shape[0] > 0, shape[1] > 0 else {
      throw Refusal(.invalidData, "\(file.path): tensor \(tensorName) is \(shape), it must be [sequences, length]")
    }
    guard shape[1] <= configuration.maximumPositions else {
      throw Refusal(
        .invalidData,
        "\(file.path): sequences of \(shape[1]) tokens for a model of \(configuration.maximumPositions) positions; "
          + "give shorter ones")
    }
    return shape
  }

  private static func check(_ tokens: Buffer<Int32>, _ path: String, _ configuration: ModelConfiguration) throws {
    let ids = tokens.elements
    guard let place = ids.firstIndex(where: { $0 < 0 || Int($0) >= configuration.vocabularySize }) else { return }
    throw Refusal(
      .invalidData,
      "\(path): token \(ids[place]) at place \(place) is not in the model's vocabulary of "
        + "\(configuration.vocabularySize)")
  }
}
