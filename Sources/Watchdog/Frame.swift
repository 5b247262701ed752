/// A message of the watch: its length and kind, then its content.
///
///     4 bytes  length of the content, little endian      1 byte  kind      …  content
package struct Frame: Hashable {
  package enum Kind: UInt8 {
    /// Of a rank: the job's secret and the rank. Of the watching process: yes, this is the watch.
    case hello = 1
    /// A record with its last operations.
    case record
    /// The process dies from the signal in the content's byte.
    case dying
    /// The process leaves in an orderly way: its last record.
    case goodbye
    /// Of rank 0: the limits, and the folder of the records.
    case limits
    case folder
    /// Of the watching process: end the job.
    case leave
  }

  package let kind: Kind
  package let content: [UInt8]

  static let headCount = 5
  /// What nothing that ranks tell each other exceeds: a record of the largest job.
  private static let largestContent = 2 << 20

  package init(_ kind: Kind, _ content: [UInt8] = []) {
    self.kind = kind
    self.content = content
  }

  package var bytes: [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: content.count >> (8 * $0)) } + [kind.rawValue] + content
  }

  /// Takes the frames that are whole from the front of what has arrived; nil if these are no frames.
  package static func take(from bytes: inout [UInt8]) -> [Frame]? {
    var frames: [Frame] = []
    var start = 0
    while bytes.count - start >= headCount {
      let length = (0..<4).reduce(0) { $0 | Int(bytes[start + $1]) << (8 * $1) }
      guard length <= largestContent, let kind = Kind(rawValue: bytes[start + 4]) else { return nil }
      let end = start + headCount + length
      guard end <= bytes.count else { break }
      frames.append(Frame(kind, Array(bytes[start + headCount..<end])))
      start = end
    }
    bytes.removeFirst(start)
    return frames
  }
}
