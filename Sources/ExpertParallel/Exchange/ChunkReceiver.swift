import Communication
import Tensors
import Topology

/// Rows that come from one peer, one message after another.
///
/// Both ends know how many rows there are, so a chunk of another size is refused. Receives are posted before their messages
/// come, a window of them at a time.
final class ChunkReceiver {
  /// Where the rows come to lie.
  enum Memory {
    /// All of them, one after another: they stay.
    case whole(Tensor)
    /// A ring of as many chunks as the window has: a chunk's memory is used again when it has been taken.
    case ring(Tensor)
  }

  let peer: Int
  private let rowCount: Int
  private let chunkRows: Int
  private let window: Int
  private let memory: Memory
  private let tag: Tag
  private let group: any Communicator
  private var postedCount = 0
  private var takenCount = 0
  /// Posted and not yet taken, oldest first.
  private var posted: [Request] = []

  init(
    _ kind: MessageKind, sequence: Int32, from peer: Int, rowCount: Int, width: Int, chunkRows: Int, window: Int,
    keepsAll: Bool, group: any Communicator, workspace: Workspace
  ) {
    self.peer = peer
    self.rowCount = rowCount
    self.chunkRows = chunkRows
    self.window = window
    self.group = group
    tag = kind.tag(sequence: sequence)
    let ringRows = min(rowCount, chunkRows * window)
    memory = keepsAll ? .whole(workspace.tensor(rowCount, width)) : .ring(workspace.tensor(ringRows, width))
  }

  private var chunkCount: Int { (rowCount + chunkRows - 1) / chunkRows }

  /// The rows that have been taken and those that are still to come, where all are kept.
  var whole: Tensor {
    guard case .whole(let tensor) = memory else { preconditionFailure("rows of a ring are not kept") }
    return tensor
  }

  /// Posts receives up to the window and hands each to `open`.
  func post(open: (Request) -> Void) throws(CommunicationError) {
    while postedCount < min(takenCount + window, chunkCount) {
      let request = try group.startReceive(into: tensor(postedCount).buffer, from: Rank(peer), tag: tag)
      posted.append(request)
      open(request)
      postedCount += 1
    }
  }

  /// The next chunk, if it is here: which rows, and where they lie until the next `post`.
  func take() throws(CommunicationError) -> (rows: Range<Int>, content: Tensor)? {
    guard let first = posted.first, first.isDone else { return nil }
    try first.requireFull()
    posted.removeFirst()
    defer { takenCount += 1 }
    return (rows(takenCount), tensor(takenCount))
  }

  private func rows(_ chunk: Int) -> Range<Int> { chunk * chunkRows..<min((chunk + 1) * chunkRows, rowCount) }

  private func tensor(_ chunk: Int) -> Tensor {
    let rows = rows(chunk)
    switch memory {
    case .whole(let tensor): return tensor[rows: rows]
    case .ring(let tensor):
      let start = chunk % window * chunkRows
      return tensor[rows: start..<start + rows.count]
    }
  }
}
