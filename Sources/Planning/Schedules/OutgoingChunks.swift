/// The chunks that one rank sends: rows first, then results as they are done, inside a window.
struct OutgoingChunks: Sendable {
  private let work: ExchangeWork
  private let window: SendWindow
  /// What is known of each peer lies together: a simulation of many ranks is bound by memory. [P]
  private var peers: [Peer]
  /// Peers that rows are still to be sent to begin here, counted from this rank: the next rank's go first, so that not all
  /// ranks begin with the same one.
  private var cursor = 1
  /// Row tasks that each chunk of results still needs, peer after peer.
  private var missingTasks: [Int32]
  /// Peers whose next chunk of results is complete, in the order in which that happened.
  private var completePeers = TaskQueue()
  private(set) var inFlightCount = 0
  private(set) var unsentRows: Int
  private(set) var unsentResults: Int

  private struct Peer {
    /// The next chunk of rows, and how many there are.
    var nextRows: Int32 = 0
    let rowChunks: Int32
    /// The next chunk of results, how many there are, and where they begin among those of all peers.
    var nextResults: Int32 = 0
    let resultChunks: Int32
    let resultOffset: Int32
    var inFlight: Int32 = 0
  }

  init(_ work: ExchangeWork, window: SendWindow) {
    self.work = work
    self.window = window
    var offset: Int32 = 0
    peers = (0..<work.rankCount).map { peer in
      defer { offset += work.returnChunks[peer] }
      return Peer(
        rowChunks: work.dispatchChunks[peer], resultChunks: work.returnChunks[peer], resultOffset: offset)
    }
    unsentRows = work.dispatchChunks.reduce(0) { $0 + Int($1) }
    unsentResults = Int(offset)
    missingTasks = Array(repeating: 0, count: unsentResults)
    for feeds in work.feeds { for feed in feeds { missingTasks[index(of: feed)] += 1 } }
    for peer in 0..<work.rankCount where isComplete(peer) { completePeers.append(peer) }
  }

  var isIdle: Bool { inFlightCount == 0 }

  /// Notes that a row task is done.
  mutating func noteComputed(_ task: Int) {
    for feed in work.feeds[task] {
      missingTasks[index(of: feed)] -= 1
      let peer = Int(feed.source)
      if feed.chunk == peers[peer].nextResults && isComplete(peer) { completePeers.append(peer) }
    }
  }

  mutating func noteSent(_ peer: Int) {
    precondition(peers[peer].inFlight > 0, "a message to \(peer) left that was not sent")
    peers[peer].inFlight -= 1
    inFlightCount -= 1
  }

  /// The next chunk of rows that the window has room for.
  mutating func takeRows() -> ScheduleAction? {
    guard unsentRows > 0, inFlightCount < window.total else { return nil }
    var distance = cursor
    while distance < work.rankCount {
      let peer = (work.rank + distance) % work.rankCount
      if hasSentRows(to: peer) {
        if distance == cursor { cursor += 1 }
      } else if hasRoom(peer) {
        return takeRows(for: peer)
      }
      distance += 1
    }
    return nil
  }

  /// The next chunk of rows for one of a group of peers, beginning with another one on each rank.
  mutating func takeRows(for peers: Range<Int>) -> ScheduleAction? {
    guard unsentRows > 0, inFlightCount < window.total else { return nil }
    return first(of: peers) { !hasSentRows(to: $0) && hasRoom($0) }.map { takeRows(for: $0) }
  }

  /// The next complete chunk of results that the window has room for.
  mutating func takeResults() -> ScheduleAction? {
    guard inFlightCount < window.total,
      let peer = completePeers.removeFirst(where: { Int(peers[$0].inFlight) < window.perPeer })
    else { return nil }
    defer { if isComplete(peer) { completePeers.append(peer) } }
    return takeResults(for: peer)
  }

  /// The next complete chunk of results for one of a group of peers.
  mutating func takeResults(for peers: Range<Int>) -> ScheduleAction? {
    guard unsentResults > 0, inFlightCount < window.total else { return nil }
    return first(of: peers) { isComplete($0) && hasRoom($0) }.map { takeResults(for: $0) }
  }

  /// Whether all rows for a peer have been handed over.
  func hasSentRows(to peer: Int) -> Bool { peers[peer].nextRows == peers[peer].rowChunks }
  /// Whether all results for a peer have been handed over.
  func hasSentResults(to peer: Int) -> Bool { peers[peer].nextResults == peers[peer].resultChunks }
  func isInFlight(to peer: Int) -> Bool { peers[peer].inFlight > 0 }

  private mutating func takeRows(for peer: Int) -> ScheduleAction {
    defer { peers[peer].nextRows += 1 }
    unsentRows -= 1
    note(peer)
    return .send(peer: peer, chunk: Int(peers[peer].nextRows))
  }

  private mutating func takeResults(for peer: Int) -> ScheduleAction {
    defer { peers[peer].nextResults += 1 }
    unsentResults -= 1
    note(peer)
    return .returnResults(peer: peer, chunk: Int(peers[peer].nextResults))
  }

  private func first(of peers: Range<Int>, where isWanted: (Int) -> Bool) -> Int? {
    for place in 0..<peers.count {
      let peer = peers.lowerBound + (work.rank + place) % peers.count
      if isWanted(peer) { return peer }
    }
    return nil
  }

  private func hasRoom(_ peer: Int) -> Bool { Int(peers[peer].inFlight) < window.perPeer }

  private mutating func note(_ peer: Int) {
    peers[peer].inFlight += 1
    inFlightCount += 1
  }

  private func index(of feed: ExchangeWork.Feed) -> Int {
    Int(peers[Int(feed.source)].resultOffset) + Int(feed.chunk)
  }

  /// Whether the next chunk of results for a peer exists and needs no task any more.
  private func isComplete(_ place: Int) -> Bool {
    let peer = peers[place]
    return peer.nextResults < peer.resultChunks && missingTasks[Int(peer.resultOffset + peer.nextResults)] == 0
  }
}

/// Tasks or peers, first come first served.
struct TaskQueue: Sendable {
  private var items: [Int] = []
  private var head = 0

  var isEmpty: Bool { head == items.count }
  var count: Int { items.count - head }

  mutating func append(_ item: Int) { items.append(item) }

  /// Up to `count` items from the front.
  mutating func take(_ count: Int) -> [Int] {
    let end = min(head + count, items.count)
    defer { advance(to: end) }
    return Array(items[head..<end])
  }

  mutating func popFirst() -> Int? {
    guard !isEmpty else { return nil }
    defer { advance(to: head + 1) }
    return items[head]
  }

  /// The first item that is wanted.
  mutating func removeFirst(where isWanted: (Int) -> Bool) -> Int? {
    guard let place = items[head...].firstIndex(where: isWanted) else { return nil }
    let item = items[place]
    if place == head { advance(to: head + 1) } else { items.remove(at: place) }
    return item
  }

  private mutating func advance(to place: Int) {
    head = place
    guard head == items.count else { return }
    items.removeAll(keepingCapacity: true)
    head = 0
  }
}
