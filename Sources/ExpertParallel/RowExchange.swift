import Communication
import Planning
import Tensors
import Topology

/// Rows on their way between this rank and its peers: one direction of one exchange.
///
/// Each peer's rows travel in messages of at most `chunkRows` rows, so that a part can be used as it arrives. Both ends
/// know how many rows there are, so a chunk of another size is refused.
final class RowExchange {
  /// What kind of rows a message carries; part of its tag.
  enum Kind: Int32 {
    case manifest, rows, results, gateGradients
  }

  /// The rows received, one tensor per peer; this rank's own is empty.
  let received: [Tensor]
  private let group: any Communicator
  private let tag: Tag
  private let chunkRows: Int
  private var pending: [Request] = []
  private var missingChunks: [Int]
  private(set) var sentByteCount = 0

  /// Posts a receive for every chunk that will come.
  init(
    _ kind: Kind, sequence: Int32, counts: [Int], width: Int, chunkRows: Int, group: any Communicator,
    workspace: Workspace
  ) throws(CommunicationError) {
    self.group = group
    self.chunkRows = chunkRows
    tag = Self.tag(kind, sequence: sequence)
    let own = group.rank.index
    received = counts.indices.map { workspace.tensor($0 == own ? 0 : counts[$0], width) }
    missingChunks = Array(repeating: 0, count: counts.count)
    for peer in counts.indices where peer != own {
      for chunk in Self.chunks(rowCount: counts[peer], chunkRows: chunkRows) {
        pending.append(try group.startReceive(into: received[peer][rows: chunk].buffer, from: Rank(peer), tag: tag))
        missingChunks[peer] += 1
      }
    }
  }

  /// A tag of its own for every kind of message of an exchange; exchanges far apart may share one.
  static func tag(_ kind: Kind, sequence: Int32) -> Tag { Tag((sequence & 0xffff) << 2 | kind.rawValue) }

  private static func chunks(rowCount: Int, chunkRows: Int) -> [Range<Int>] {
    stride(from: 0, to: rowCount, by: chunkRows).map { $0..<min($0 + chunkRows, rowCount) }
  }

  func send(_ rows: Tensor, to peer: Int) throws(CommunicationError) {
    for chunk in Self.chunks(rowCount: rows.rows, chunkRows: chunkRows) {
      let buffer = rows[rows: chunk].buffer
      pending.append(try group.startSend(buffer, to: Rank(peer), tag: tag))
      sentByteCount += buffer.byteCount
    }
  }

  /// The requests that are not done.
  var requests: [Request] { pending }

  /// Whether everything sent so far has left.
  var hasSent: Bool { !pending.contains { $0.direction == .send } }

  /// Whether all rows of a peer are here.
  func isComplete(from peer: Int) -> Bool { missingChunks[peer] == 0 }

  /// Takes note of the requests that are done and returns the peers whose rows are now all here.
  func collect() throws(CommunicationError) -> [Int] {
    var completed: [Int] = []
    for request in pending where request.isDone && request.direction == .receive {
      try request.requireFull()
      missingChunks[request.peer.index] -= 1
      if missingChunks[request.peer.index] == 0 { completed.append(request.peer.index) }
    }
    pending.removeAll { $0.isDone }
    return completed
  }
}
