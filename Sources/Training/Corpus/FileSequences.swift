package import Checkpoints
package import Communication
package import Tensors

/// Sequences of token ids from a safetensors file, tensor `input_ids` [sequences, length] of I64 or I32. Each predicts
/// its own tokens but the first; none is held out, and no tokenizer is needed.
package struct FileSequences: SequenceSource {
  package static let tensorName = "input_ids"

  package let sequenceLength: Int
  package let sequenceCount: Int
  private let ids: Buffer<Int32>

  /// Whether a path is that of such a file.
  package static func isTokenFile(_ path: String) -> Bool { path.hasSuffix(".safetensors") }

  /// Reads the file on every rank and compares what the ranks have read.
  ///
  /// - Throws: on all ranks alike, `Refusal` or `CommunicationError`.
  package init(
    _ path: String, vocabularySize: Int, over world: any Communicator, files: any FileSystem = LocalFileSystem()
  ) throws {
    let read = try world.agree {
      guard try files.kind(of: path) != nil else {
        throw CorpusError(.missing, "\(path): no such file; check --corpus")
      }
      let shape = try Self.checkedShape(try SafetensorsFile(path, files: files))
      return (shape: shape, file: try CorpusFile(reading: path, files: files))
    }
    try CorpusComparison.check([read.file], over: world)
    ids = try world.agree {
      let ids = Buffer<Int32>(count: read.shape.count * read.shape.length)
      try SafetensorsFile(path, files: files).readIntegers(Self.tensorName, into: ids)
      try Self.check(ids, length: read.shape.length, vocabularySize: vocabularySize, path: path)
      return ids
    }
    (sequenceCount, sequenceLength) = read.shape
  }

  private static func checkedShape(_ file: SafetensorsFile) throws -> (count: Int, length: Int) {
    guard file.contains(tensorName) else {
      throw CorpusError(.badTokens, "\(file.path): the file has no tensor \(tensorName) [sequences, length]")
    }
    let entry = try file.entry(tensorName)
    guard entry.shape.count == 2, entry.shape[0] >= 1, entry.shape[1] >= 2 else {
      throw CorpusError(
        .badTokens,
        "\(file.path): \(tensorName) has shape \(entry.shape); it must be [sequences, length], length 2 or more")
    }
    guard entry.type == .i64 || entry.type == .i32 else {
      throw CorpusError(
        .badTokens, "\(file.path): \(tensorName) is \(entry.type.rawValue); token ids must be I64 or I32")
    }
    return (entry.shape[0], entry.shape[1])
  }

  private static func check(_ ids: Buffer<Int32>, length: Int, vocabularySize: Int, path: String) throws {
    for index in 0..<ids.count where ids[index] < 0 || Int(ids[index]) >= vocabularySize {
      throw CorpusError(
        .badTokens,
        "\(path): \(tensorName)[\(index / length), \(index % length)] is \(ids[index]); the model's vocabulary is "
          + "0 ..< \(vocabularySize)")
    }
  }

  /// There is no text whose bytes could be counted.
  package var byteCount: Int? { nil }

  package func predictedTokenCount(sequence: Int) -> Int { sequenceLength - 1 }

  /// Copies one sequence; the last token has no target (−1).
  ///
  /// - Parameters:
  ///   - tokens: [S]
  ///   - targets: [S]
  package func copy(sequence: Int, tokens: Buffer<Int32>, targets: Buffer<Int32>) {
    precondition(sequence >= 0 && sequence < sequenceCount, "sequence \(sequence) of \(sequenceCount)")
    let row = ids[sequence * sequenceLength..<(sequence + 1) * sequenceLength]
    tokens.copy(from: row)
    targets[0..<sequenceLength - 1].copy(from: row[1..<sequenceLength])
    targets[sequenceLength - 1] = -1
  }
}
