import Communication
import Tensors

/// A checkpoint on its way to the disk, as the thread that owns a rank's communicator sees it. That thread moves all
/// messages, a little at a time; another one writes files or computes digests, and sends nothing.
protocol SaveInFlight: AnyObject {
  /// How it ended; nil before.
  var report: SaveReport? { get }
  /// Moves messages without waiting.
  func advance() throws(CommunicationError)
  /// Waits for the end.
  func finish() throws(CommunicationError)
}

/// How streams of tensors are cut into messages.
enum SaveStream {
  static let chunkTag = Tag(0x5_a003)
  static let digestTag = Tag(0x5_a004)
  static let outcomeTag = Tag(0x5_a005)

  /// 2 MiB: large enough for a rendezvous, so that nothing is buffered for which rank 0 has no room yet.
  static let chunkCount = 1 << 19
  /// Chunks of one rank that may be in flight.
  static let window = 4

  /// The ranges of a stream of so many elements.
  static func chunks(of elementCount: Int) -> [Range<Int>] {
    stride(from: 0, to: elementCount, by: chunkCount).map { $0..<min($0 + chunkCount, elementCount) }
  }
}
