/// The chunks that one rank sends: rows first, then results as they are done, inside a window.
struct OutgoingChunks: Sendable {
  private let work: ExchangeWork
  private let window: SendWindow
  /// The next chunk of rows for each peer. [P]
  private var nextRows: [Int32]
  /// Peers that rows are still to be sent to begin here, counted from this rank: the next rank's go first, so that not all
  /// ranks begin with the same one.
  private var cursor = 1
  /// The next chunk of results for each peer. [P]
  private var nextResults: [Int32]
  /// Row tasks that each chunk of results still needs, peer after peer.
  private var missingTasks: [Int32]
  private let resultOffsets: [Int]
  /// Peers whose next chunk of results is complete, in the order in which that happened.
  private var completePeers = TaskQueue()
  private var inFlight: [Int32]
  private(set) var inFlightCount = 0
  private(set) var unsentRows: Int
  private(set) var unsentResults: Int

  init(_ work: ExchangeWork, window: SendWindow) {
    self.work = work
    self.window = window
    nextRows = Array(repeating: 0, count: work.rankCount)
    nextResults = nextRows
    inFlight = nextRows
    unsentRows = work.dispatchChunks.reduce(0) { $0 + Int($1) }
    unsentResults = work.returnChunks.reduce(0) { $0 + Int($1) }
    resultOffsets = work.returnChunks.reduce(into: [0]) { $0.append(($0.last ?? 0) + Int($1)) }
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
      if feed.chunk == nextResults[peer] && isComplete(peer) { completePeers.append(peer) }
    }
  }

  mutating func noteSent(_ peer: Int) {
    precondition(inFlight[peer] > 0, "a message to \(peer) left that was not sent")
    inFlight[peer] -= 1
    inFlightCount -= 1
  }

  /// The next chunk of rows that the window has room for, from the peers that are allowed.
  mutating func takeRows(from allowed: (Int) -> Bool = { _ in true }) -> ScheduleAction? {
    guard unsentRows > 0, inFlightCount < window.total else { return nil }
    var distance = cursor
    while distance < work.rankCount {
      let peer = (work.rank + distance) % work.rankCount
      if nextRows[peer] == work.dispatchChunks[peer] {
        if distance == cursor { cursor += 1 }
      } else if Int(inFlight[peer]) < window.perPeer && allowed(peer) {
        defer { nextRows[peer] += 1 }
        unsentRows -= 1
        note(peer)
        return .send(peer: peer, chunk: Int(nextRows[peer]))
      }
      distance += 1
    }
    return nil
  }

  /// The next complete chunk of results that the window has room for, to the peers that are allowed.
  mutating func takeResults(to allowed: (Int) -> Bool = { _ in true }) -> ScheduleAction? {
    guard inFlightCount < window.total else { return nil }
    guard let peer = completePeers.removeFirst(where: { Int(inFlight[$0]) < window.perPeer && allowed($0) }) else {
      return nil
    }
    let chunk = Int(nextResults[peer])
    nextResults[peer] += 1
    unsentResults -= 1
    note(peer)
    if isComplete(peer) { completePeers.append(peer) }
    return .returnResults(peer: peer, chunk: chunk)
  }

  /// Whether all rows for a peer have been handed over.
  func hasSentRows(to peer: Int) -> Bool { nextRows[peer] == work.dispatchChunks[peer] }
  /// Whether all results for a peer have been handed over.
  func hasSentResults(to peer: Int) -> Bool { nextResults[peer] == work.returnChunks[peer] }
  func isInFlight(to peer: Int) -> Bool { inFlight[peer] > 0 }

  private mutating func note(_ peer: Int) {
    inFlight[peer] += 1
    inFlightCount += 1
  }

  private func index(of feed: ExchangeWork.Feed) -> Int { resultOffsets[Int(feed.source)] + Int(feed.chunk) }

  /// Whether the next chunk of results for a peer exists and needs no task any more.
  private func isComplete(_ peer: Int) -> Bool {
    nextResults[peer] < work.returnChunks[peer] && missingTasks[resultOffsets[peer] + Int(nextResults[peer])] == 0
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
