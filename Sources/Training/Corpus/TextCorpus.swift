package import Checkpoints
package import Communication
import Tokenization
import Topology

/// The text files that a run trains on or evaluates, the same on all ranks.
package struct TextCorpus: Sendable {
  /// What of every file is meant.
  package enum Part: Hashable, Sendable {
    /// All but the last twentieth.
    case training
    /// The last twentieth.
    case heldOut
    case whole
  }

  package let files: [CorpusFile]
  let fileSystem: any FileSystem

  /// Finds the files, on every rank, and compares what the ranks have found.
  ///
  /// - Parameter paths: text files, and folders that are searched for text.
  /// - Throws: on all ranks alike, `Refusal` or `CommunicationError`.
  package init(
    _ paths: [String], over world: any Communicator, files fileSystem: any FileSystem = LocalFileSystem()
  ) throws {
    files = try world.agree { try CorpusSearch.find(paths, files: fileSystem) }
    self.fileSystem = fileSystem
    let files = files
    try CorpusComparison.check(files, over: world)
  }

  package var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }

  /// What the user should know before going on, one line each.
  package var warnings: [String] {
    let foreign = files.filter { !$0.isUTF8 }
    guard let first = foreign.first else { return [] }
    let others = foreign.count > 1 ? " and \(foreign.count - 1) more" : ""
    return ["\(first.path)\(others): not UTF-8; the bytes are used as they are"]
  }

  /// A stretch of text that is encoded at once.
  struct Chunk: Hashable, Sendable {
    let file: Int
    let range: Range<Int>
    /// It is the last of its file: the end-of-text token follows.
    let endsDocument: Bool
  }

  /// All chunks of a part, in order.
  func chunks(_ part: Part) throws -> [Chunk] {
    try files.enumerated().flatMap { index, file in
      let division = TextDivision(file: file, files: fileSystem)
      let range =
        switch part {
        case .training: 0..<(try division.heldOutStart())
        case .heldOut: (try division.heldOutStart())..<file.byteCount
        case .whole: 0..<file.byteCount
        }
      return try division.chunks(of: range).map {
        Chunk(file: index, range: $0, endsDocument: $0.upperBound == range.upperBound)
      }
    }
  }

  func text(of chunk: Chunk) throws -> [UInt8] { try files[chunk.file].read(chunk.range, files: fileSystem) }

  /// The chunks that a rank encodes: its contiguous share.
  func chunks(_ part: Part, of rank: Rank, size: Int) throws -> ArraySlice<Chunk> {
    let all = try chunks(part)
    return all[BlockPartition(count: all.count, parts: size).range(of: rank.index)]
  }
}
