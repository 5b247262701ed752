import Communication
import Planning
import Tensors
import Topology

/// The messages of a pass that go to other hosts and come from there, by way of relays.
final class RelayedMessages {
  private let routes: HostRoutes
  private let rows: RelayTransfer
  private let results: RelayTransfer
  /// In the backward pass only.
  private let gates: RelayTransfer?

  init(
    _ routes: HostRoutes, _ counts: RelayCounts, pass: Pass, width: Int, chunkRows: Int, sequence: Int32,
    on runtime: ExpertRuntime
  ) {
    func transfer(
      _ kind: MessageKind, width: Int, chunkRows: Int, count: @escaping (_ from: Int, _ to: Int) -> Int
    ) -> RelayTransfer {
      RelayTransfer(
        kind, sequence: sequence, width: width, chunkRows: chunkRows, routes, on: runtime, count: count)
    }
    self.routes = routes
    rows = transfer(.rows, width: width, chunkRows: chunkRows) { counts[$0, $1].rows }
    results = transfer(.results, width: width, chunkRows: chunkRows) { counts[$1, $0].returnRows }
    gates =
      pass == .forward
      ? nil
      : transfer(.gateGradients, width: 1, chunkRows: .max >> 1) {
        counts[$1, $0].assignments
      }
  }

  private var transfers: [RelayTransfer] { [rows, results] + (gates.map { [$0] } ?? []) }

  func reaches(_ peer: Int) -> Bool { routes.isOnOtherHost(peer) }
  var isDone: Bool { transfers.allSatisfy(\.isDone) }
  var hasNews: Bool { transfers.contains(where: \.hasNews) }

  func results(from peer: Int) -> Tensor { results.whole(from: peer) }
  func gates(from peer: Int) -> Tensor {
    guard let gates else { preconditionFailure("gate gradients of a forward pass") }
    return gates.whole(from: peer)
  }

  func post(open: (Request) -> Void) throws(CommunicationError) {
    for transfer in transfers { try transfer.post(open: open) }
  }

  /// Takes the rows of a chunk and sends what that completes.
  func send(
    _ kind: MessageKind, _ rows: Range<Int>, to peer: Int, open: (Request) -> Void, pack: (Tensor) -> Void
  ) throws(CommunicationError) {
    let transfer = kind == .rows ? self.rows : kind == .results ? results : gates
    guard let transfer else { preconditionFailure("\(kind) of a forward pass") }
    transfer.deposit(rows, to: peer, pack: pack)
    try transfer.advance(open: open)
  }

  func advance(open: (Request) -> Void) throws(CommunicationError) {
    for transfer in transfers { try transfer.advance(open: open) }
  }

  func collect(
    rows arrived: (_ source: Int, _ rows: Range<Int>, _ content: Tensor) -> Void,
    results returned: (_ peer: Int, _ rows: Range<Int>) -> Void,
    gates returnedGates: (_ peer: Int) -> Void, sent: (_ peer: Int) -> Void
  ) {
    rows.collect(arrived: arrived, sent: sent)
    results.collect(arrived: { peer, rows, _ in returned(peer, rows) }, sent: sent)
    gates?.collect(arrived: { peer, _, _ in returnedGates(peer) }, sent: sent)
  }
}
