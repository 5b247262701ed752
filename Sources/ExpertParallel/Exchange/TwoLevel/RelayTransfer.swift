import Communication
import Planning
import Tensors
import Topology

/// One kind of rows on their way between this rank and those of other hosts, and of its neighbours where it is a relay.
///
/// The schedule deals in chunks as if they travelled by themselves: a chunk counts as sent when it has been deposited, but
/// for the last one, which counts when nothing is left to do here. So a schedule that completes its sends before it
/// computes leaves no neighbour waiting for a relay.
final class RelayTransfer {
  private let routes: HostRoutes
  private let chunkRows: Int
  private let count: (_ from: Int, _ to: Int) -> Int
  private let lanes: [RelayLane]
  /// The place of each host's lane. [hosts]
  private let laneOfHost: [Int]
  private var undepositedRows: Int
  /// Peers of chunks that count as sent and have not been reported, and of the last chunk.
  private var deposited: [Int] = []
  private var lastPeer: Int?
  private var reportedLanes: Set<Int> = []

  init(
    _ kind: MessageKind, sequence: Int32, width: Int, chunkRows: Int, _ routes: HostRoutes, on runtime: ExpertRuntime,
    count: @escaping (_ from: Int, _ to: Int) -> Int
  ) {
    self.routes = routes
    self.chunkRows = chunkRows
    self.count = count
    lanes = routes.otherHosts.map {
      RelayLane($0, kind, sequence: sequence, width: width, routes, on: runtime, count: count)
    }
    var places = Array(repeating: 0, count: routes.hosts.hostCount)
    for (place, host) in routes.otherHosts.enumerated() { places[host] = place }
    laneOfHost = places
    let own = routes.own.index
    undepositedRows = routes.otherHosts.flatMap(routes.members).reduce(0) { $0 + count(own, $1) }
  }

  var isDone: Bool { lanes.allSatisfy(\.isDone) }

  func post(open: (Request) -> Void) throws(CommunicationError) {
    for lane in lanes { try lane.post(open: open) }
  }

  /// What a rank of another host sends here in all; valid when it has been taken.
  func whole(from source: Int) -> Tensor { lane(of: source).part(from: source) }

  /// Takes some of the rows for a rank of another host.
  func deposit(_ rows: Range<Int>, to peer: Int, pack: (Tensor) -> Void) {
    lane(of: peer).deposit(rows, to: peer, pack: pack)
    undepositedRows -= rows.count
    if undepositedRows == 0 { lastPeer = peer } else { deposited.append(peer) }
  }

  func advance(open: (Request) -> Void) throws(CommunicationError) {
    for lane in lanes where !lane.isDone { try lane.advance(open: open) }
  }

  /// Reports what has come since, chunk by chunk, and what counts as sent.
  func collect(
    arrived: (_ source: Int, _ rows: Range<Int>, _ content: Tensor) -> Void, sent: (_ peer: Int) -> Void
  ) {
    for (place, lane) in lanes.enumerated() where lane.hasArrived && reportedLanes.insert(place).inserted {
      for source in routes.members(of: routes.otherHosts[place]) {
        let content = lane.part(from: source)
        for start in stride(from: 0, to: content.rows, by: chunkRows) {
          let rows = start..<min(start + chunkRows, content.rows)
          arrived(source, rows, content[rows: rows])
        }
      }
    }
    deposited.forEach(sent)
    deposited = []
    if let peer = lastPeer, isDone {
      lastPeer = nil
      sent(peer)
    }
  }

  /// Whether `collect` has something to say although no request has completed.
  var hasNews: Bool { !deposited.isEmpty || (lastPeer != nil && isDone) }

  private func lane(of rank: Int) -> RelayLane { lanes[laneOfHost[Int(routes.hosts.hostOfRank[rank])]] }
}
