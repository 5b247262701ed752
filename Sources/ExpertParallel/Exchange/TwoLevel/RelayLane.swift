import Communication
import Planning
import Tensors
import Topology
import Tracing

/// What this rank, and its host if this rank is the relay, exchange with one other host in one transfer.
///
///     outbox ──gather──▶ relay's gathered ══cross══▶ other relay's inbox ──spread──▶ inbox
///
/// The outbox holds this rank's rows, by rank of the other host. Gathered, they are ordered by sender, then receiver; so
/// they arrive at the other relay, which sends each of its ranks what is for it, by sender.
final class RelayLane {
  private let host: Int
  private let kind: MessageKind
  private let sequence: Int32
  private let routes: HostRoutes
  private let group: any Communicator
  private let trace: TraceRecorder?
  /// Rows from one rank to another.
  private let count: (_ from: Int, _ to: Int) -> Int

  private let isRelay: Bool
  private let outbox: Tensor
  private var undepositedRows: Int
  /// On the relay: what its host has for the other one; its own outbox is a part of it.
  private let gathered: Tensor
  private var gathering: [Request] = []
  private let inbox: Tensor
  /// On the relay: what each other rank of its host gets.
  private let spreads: [(peer: Rank, message: Tensor)]
  private var arriving: Request?
  private var hasGone = false
  private(set) var hasArrived = false
  private var sends: [(request: Request, traced: TraceRecorder.Message?)] = []

  init(
    _ host: Int, _ kind: MessageKind, sequence: Int32, width: Int, _ routes: HostRoutes, on runtime: ExpertRuntime,
    count: @escaping (_ from: Int, _ to: Int) -> Int
  ) {
    (self.host, self.kind, self.sequence, self.routes, self.count) = (host, kind, sequence, routes, count)
    (group, trace) = (runtime.group, runtime.trace)
    let workspace = runtime.workspace
    isRelay = routes.isRelay(for: host)
    let (own, neighbours, others) = (routes.own.index, routes.neighbours, routes.members(of: host))
    func rows(from: [Int], to: [Int]) -> Int { from.reduce(0) { sum, s in to.reduce(sum) { $0 + count(s, $1) } } }
    undepositedRows = rows(from: [own], to: others)
    if isRelay {
      gathered = workspace.tensor(rows(from: neighbours, to: others), width)
      let start = rows(from: neighbours.filter { $0 < own }, to: others)
      outbox = gathered[rows: start..<start + undepositedRows]
      inbox = workspace.tensor(rows(from: others, to: neighbours), width)
      spreads = neighbours.filter { $0 != own }.map {
        (Rank($0), workspace.tensor(rows(from: others, to: [$0]), width))
      }
    } else {
      gathered = workspace.tensor(0, width)
      outbox = workspace.tensor(undepositedRows, width)
      inbox = workspace.tensor(rows(from: others, to: [own]), width)
      spreads = []
    }
  }

  /// Whether nothing is left to do here, for others included.
  var isDone: Bool { hasGone && hasArrived && sends.allSatisfy(\.request.isDone) }

  /// Posts what will be received.
  func post(open: (Request) -> Void) throws(CommunicationError) {
    if isRelay {
      var start = 0
      for neighbour in routes.neighbours {
        let rows = routes.members(of: host).reduce(0) { $0 + count(neighbour, $1) }
        defer { start += rows }
        guard neighbour != routes.own.index && rows > 0 else { continue }
        gathering.append(
          try group.startReceive(
            into: gathered[rows: start..<start + rows].buffer, from: Rank(neighbour), tag: tag(.gather)))
      }
      gathering.forEach(open)
    }
    guard inbox.rows > 0 else { return }
    let (sender, leg) = isRelay ? (routes.relay(on: host, for: routes.ownHost), RelayLeg.cross) : (relay, .spread)
    let request = try group.startReceive(into: inbox.buffer, from: sender, tag: tag(leg))
    arriving = request
    open(request)
  }

  /// Where rows for a rank of the other host are packed: some of those that it gets.
  func deposit(_ rows: Range<Int>, to peer: Int, pack: (Tensor) -> Void) {
    let own = routes.own.index
    let start = routes.members(of: host).filter { $0 < peer }.reduce(0) { $0 + count(own, $1) }
    pack(outbox[rows: start + rows.lowerBound..<start + rows.upperBound])
    undepositedRows -= rows.count
  }

  /// What a rank of the other host has sent here; valid when `hasArrived`.
  func part(from source: Int) -> Tensor {
    let own = routes.own.index
    let earlier = routes.members(of: host).filter { $0 < source }
    guard isRelay else {
      let start = earlier.reduce(0) { $0 + count($1, own) }
      return inbox[rows: start..<start + count(source, own)]
    }
    return inbox[rows: inboxRows(from: source, to: own)]
  }

  /// Sends on what is complete, without waiting.
  func advance(open: (Request) -> Void) throws(CommunicationError) {
    if !hasGone && undepositedRows == 0 && gathering.allSatisfy(\.isDone) {
      for request in gathering { try request.requireFull() }
      let (message, receiver, leg) =
        isRelay ? (gathered, routes.relay(on: host, for: routes.ownHost), RelayLeg.cross) : (outbox, relay, .gather)
      try send(message, to: receiver, leg, open: open)
      hasGone = true
    }
    if !hasArrived && arriving?.isDone ?? true {
      try arriving?.requireFull()
      if isRelay { try spread(open: open) }
      hasArrived = true
    }
    guard let trace else { return }
    for index in sends.indices where sends[index].request.isDone {
      if let traced = sends[index].traced { trace.end(traced) }
      sends[index].traced = nil
    }
  }

  private var relay: Rank { routes.relay(on: routes.ownHost, for: host) }

  /// Brings together what each rank of this host gets from all ranks of the other one.
  private func spread(open: (Request) -> Void) throws(CommunicationError) {
    for (peer, message) in spreads {
      var start = 0
      for source in routes.members(of: host) {
        let rows = inboxRows(from: source, to: peer.index)
        message[rows: start..<start + rows.count].copy(from: inbox[rows: rows])
        start += rows.count
      }
      try send(message, to: peer, .spread, open: open)
    }
  }

  /// On the relay.
  private func inboxRows(from source: Int, to target: Int) -> Range<Int> {
    var start = 0
    for other in routes.members(of: host) {
      for neighbour in routes.neighbours {
        if other == source && neighbour == target { return start..<start + count(source, target) }
        start += count(other, neighbour)
      }
    }
    preconditionFailure("no rows from \(source) to \(target) pass through here")
  }

  private func send(
    _ message: Tensor, to peer: Rank, _ leg: RelayLeg, open: (Request) -> Void
  ) throws(CommunicationError) {
    guard message.rows > 0 else { return }
    let traced = trace?.begin(
      kind.traceKind,
      TraceDetails(
        direction: .sent, peer: Int32(group.worldRanks[peer.index].index), byteCount: Int64(message.buffer.byteCount)))
    let request = try group.startSend(message.buffer, to: peer, tag: tag(leg))
    sends.append((request, traced))
    open(request)
  }

  private func tag(_ leg: RelayLeg) -> Tag { leg.tag(kind, sequence: sequence, host: host) }
}
