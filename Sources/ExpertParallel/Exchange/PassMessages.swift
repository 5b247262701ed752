import Communication
import Planning
import Tensors
import Topology

/// The messages of one pass over a layer, on one rank: rows in, results in, and what leaves.
///
/// All receives that the window allows are posted when it is made, before anything is computed.
final class PassMessages {
  let sequence: Int32
  private let group: any Communicator
  private let rows: [ChunkReceiver]
  private let results: [ChunkReceiver]
  /// The gate weights' gradients, one message a peer; in the backward pass only.
  private let gates: [ChunkReceiver]
  private let sender: ChunkSender
  private let streams: [ParameterStream]
  /// What goes to other hosts and comes from there, in a two-level exchange.
  private let relayed: RelayedMessages?
  /// Requests that are not known to be done: what a poke looks at.
  private var open: [Request] = []
  private var seenCompletions = -1
  private var failure: CommunicationError?
  private(set) var pokeCount = 0
  /// Rows of a message that is not cut; far from overflow.
  private static let unlimited = 1 << 40

  init(
    _ plan: ExchangePlan, pass: Pass, width: Int, streams: [ParameterStream], relayed: RelayedMessages?,
    sequence: Int32, on runtime: ExpertRuntime
  ) throws(CommunicationError) {
    let (group, workspace) = (runtime.group, runtime.workspace)
    let window = runtime.options.window(rankCount: group.size)
    self.sequence = sequence
    self.group = group
    self.streams = streams
    self.relayed = relayed
    let longest = max(plan.chunkRows, 1)
    func receivers(
      _ kind: MessageKind, counts: [Int], width: Int, chunkRows: Int, keepsAll: Bool
    ) -> [ChunkReceiver] {
      group.ranks.map { peer in
        let isDirect = peer != group.rank && !(relayed?.reaches(peer.index) ?? false)
        return ChunkReceiver(
          kind, sequence: sequence, from: peer.index, rowCount: isDirect ? counts[peer.index] : 0, width: width,
          chunkRows: chunkRows, window: window.perPeer, keepsAll: keepsAll, group: group, workspace: workspace)
      }
    }
    rows = receivers(
      .rows, counts: plan.received.rowCounts, width: width, chunkRows: plan.chunkRows, keepsAll: false)
    results = receivers(
      .results, counts: plan.dispatch.returnRowCounts, width: width, chunkRows: plan.chunkRows, keepsAll: true)
    let gateCounts = pass == .backward ? group.ranks.map { plan.dispatch.assignments(of: $0).count } : []
    gates =
      pass == .backward
      ? receivers(.gateGradients, counts: gateCounts, width: 1, chunkRows: Self.unlimited, keepsAll: true) : []
    let mostGates = pass == .backward ? plan.received.assignments.map(\.count).max() ?? 0 : 0
    sender = ChunkSender(
      window: group.size > 1 ? window.total : 0, chunkRows: max(longest, (mostGates + width - 1) / max(width, 1)),
      width: width, on: runtime)
    try relayed?.post { open.append($0) }
    try relayed?.advance { open.append($0) }
    try post()
  }

  /// The results of each peer, as far as they have come. [P]
  var returned: [Tensor] {
    group.ranks.map { peer in
      guard let relayed, relayed.reaches(peer.index) else { return results[peer.index].whole }
      return relayed.results(from: peer.index)
    }
  }
  /// The gate gradients of a peer.
  func returnedGates(_ peer: Int) -> Tensor {
    guard let relayed, relayed.reaches(peer) else { return gates[peer].whole }
    return relayed.gates(from: peer)
  }
  /// The ranks that messages are still open with.
  var openPeers: [Rank] { open.filter { !$0.isDone }.map(\.worldPeer) }

  /// Whether nothing of shadows or of other ranks' messages is left to do.
  var isDrained: Bool { streams.allSatisfy(\.isDone) && relayed?.isDone ?? true }

  /// Packs some of the rows for a peer and sends them.
  func send(
    _ kind: MessageKind, _ rows: Range<Int>, to peer: Int, width: Int, pack: (Tensor) -> Void
  ) throws(CommunicationError) {
    guard let relayed, relayed.reaches(peer) else {
      open.append(try sender.send(kind, sequence: sequence, to: peer, rows: rows.count, width: width, pack: pack))
      return
    }
    try relayed.send(kind, rows, to: peer, open: { open.append($0) }, pack: pack)
  }

  /// Lets MPI move messages. It is called between tasks, where nothing can be thrown: an error shows in `collect`.
  func poke() {
    guard failure == nil, !open.isEmpty else { return }
    pokeCount += 1
    do throws(CommunicationError) { try group.poke(open) } catch { failure = error }
  }

  /// What came and what left since it was last asked.
  func collect(
    rows arrived: (_ source: Int, _ rows: Range<Int>, _ content: Tensor) -> Void,
    results returned: (_ peer: Int, _ rows: Range<Int>) -> Void,
    gates returnedGates: (_ peer: Int) -> Void, sent: (_ peer: Int) -> Void
  ) throws(CommunicationError) {
    if let failure { throw failure }
    guard group.job.completedRequestCount != seenCompletions || relayed?.hasNews ?? false else { return }
    seenCompletions = group.job.completedRequestCount
    sender.collect(left: sent)
    for receiver in rows {
      while let chunk = try receiver.take() { arrived(receiver.peer, chunk.rows, chunk.content) }
    }
    for receiver in results {
      while let chunk = try receiver.take() { returned(receiver.peer, chunk.rows) }
    }
    for receiver in gates where try receiver.take() != nil { returnedGates(receiver.peer) }
    try relayed?.advance { open.append($0) }
    relayed?.collect(rows: arrived, results: returned, gates: returnedGates, sent: sent)
    open.removeAll { $0.isDone }
    try post()
  }

  /// Moves the streams, without waiting; something that happened here, not on the wire, may have made a piece ready.
  func advanceStreams() throws(CommunicationError) {
    for stream in streams where !stream.isDone { try stream.advance { open.append($0) } }
  }

  private func post() throws(CommunicationError) {
    for receiver in rows { try receiver.post { open.append($0) } }
    for receiver in results { try receiver.post { open.append($0) } }
    for receiver in gates { try receiver.post { open.append($0) } }
    try advanceStreams()
  }
}

/// A direction of a layer.
package enum Pass: String, Hashable, Sendable {
  case forward, backward
}
