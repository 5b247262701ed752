import TestSupport

/// Everything that reads what came from a file, a flag or another process.
enum FuzzTargets {
  /// The command line first: it takes as long as the others together, and they fit beside it.
  static let all: [FuzzTarget] =
    ProgramTargets.all + CheckpointTargets.all + TokenizerTargets.all + TrainingTargets.all + WireTargets.all

  /// For parsers that say no with nil.
  struct NotRead: Error {}

  static func bytes(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }

  /// Bytes as the words of a message, what is left over dropped.
  static func words<Word: FixedWidthInteger>(_ bytes: [UInt8], of type: Word.Type = Word.self) -> [Word] {
    let width = Word.bitWidth / 8
    return (0..<bytes.count / width).map { word in
      (0..<width).reduce(0) { $0 | Word(truncatingIfNeeded: bytes[word * width + $1]) << ($1 * 8) }
    }
  }

  static func bytes<Word: FixedWidthInteger>(_ words: [Word]) -> [UInt8] {
    words.flatMap { word in (0..<Word.bitWidth / 8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
  }
}
