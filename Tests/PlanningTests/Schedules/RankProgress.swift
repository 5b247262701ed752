import Planning

/// What one rank has done and seen, and what it may do next, from the definition of the work alone: the judge of a
/// schedule, kept as plain lists.
struct RankProgress {
  let work: ExchangeWork
  let window: SendWindow
  var arrived: [Int]
  var returned: [Int]
  var sentRows: [Int]
  var sentResults: [Int]
  var inFlight: [Int]
  var computed: Set<Int> = []
  var finalized: Set<Int> = []

  init(_ work: ExchangeWork, window: SendWindow) {
    self.work = work
    self.window = window
    arrived = work.arrivalChunks.map { _ in 0 }
    returned = work.resultChunks.map { _ in 0 }
    sentRows = work.dispatchChunks.map { _ in 0 }
    sentResults = sentRows
    inFlight = sentRows
  }

  var peers: Range<Int> { 0..<work.rankCount }
  var streams: Range<Int> { work.rankCount..<work.arrivalChunks.count }

  func hasArrived(_ source: Int) -> Bool { arrived[source] == work.arrivalChunks[source] }
  func hasReturned(_ peer: Int) -> Bool { returned[peer] == work.resultChunks[peer] }
  func hasSentRows(to peer: Int) -> Bool { sentRows[peer] == work.dispatchChunks[peer] }
  func hasSentResults(to peer: Int) -> Bool { sentResults[peer] == work.returnChunks[peer] }
  var hasAllArrived: Bool { work.arrivalChunks.indices.allSatisfy(hasArrived) }
  var hasAllReturned: Bool { work.resultChunks.indices.allSatisfy(hasReturned) }
  var hasSentAllRows: Bool { peers.allSatisfy(hasSentRows) }
  var hasSentAllResults: Bool { peers.allSatisfy(hasSentResults) }
  var isIdle: Bool { inFlight.allSatisfy { $0 == 0 } }
  var hasComputedAll: Bool { computed.count == work.taskCount }
  var hasFinalizedAll: Bool { finalized.count == work.finalTaskCount }
  var isDone: Bool {
    hasAllArrived && hasAllReturned && hasSentAllRows && hasSentAllResults && isIdle && hasComputedAll
      && hasFinalizedAll
  }

  func isReady(_ task: Int) -> Bool {
    !computed.contains(task) && work.needs[task].allSatisfy { arrived[Int($0.source)] >= $0.chunkCount }
  }

  func isReady(final task: Int) -> Bool {
    !finalized.contains(task)
      && (0..<work.taskCount).allSatisfy {
        work.taskExperts[$0] != work.finalExperts[task] || computed.contains($0)
      }
  }

  var readyTasks: [Int] { (0..<work.taskCount).filter { isReady($0) } }
  var readyFinals: [Int] { (0..<work.finalTaskCount).filter { isReady(final: $0) } }

  func hasRoom(for peer: Int) -> Bool {
    inFlight.reduce(0, +) < window.total && inFlight[peer] < window.perPeer
  }

  /// Whether the next chunk of results exists and every task that feeds it is done.
  func isComplete(_ peer: Int) -> Bool {
    let feed = ExchangeWork.Feed(source: peer, chunk: sentResults[peer])
    return !hasSentResults(to: peer)
      && (0..<work.taskCount).allSatisfy { !work.feeds[$0].contains(feed) || computed.contains($0) }
  }

  /// Everything that the dependencies and the window allow: each ready task by itself, and all of them at once.
  var possibleActions: [ScheduleAction] {
    let rows = peers.filter { !hasSentRows(to: $0) && hasRoom(for: $0) }
    let results = peers.filter { isComplete($0) && hasRoom(for: $0) }
    return rows.map { .send(peer: $0, chunk: sentRows[$0]) }
      + results.map { .returnResults(peer: $0, chunk: sentResults[$0]) }
      + (readyTasks.map { [$0] } + [readyTasks]).filter { !$0.isEmpty }.map { .compute($0.map { $0..<$0 + 1 }) }
      + (readyFinals.map { [$0] } + [readyFinals]).filter { !$0.isEmpty }.map { .finalize($0) }
  }

  /// Whether the dependencies and the window allow an action.
  func allows(_ action: ScheduleAction) -> Bool {
    switch action {
    case .send(let peer, let chunk):
      !hasSentRows(to: peer) && chunk == sentRows[peer] && hasRoom(for: peer)
    case .returnResults(let peer, let chunk): chunk == sentResults[peer] && isComplete(peer) && hasRoom(for: peer)
    case .compute(let runs):
      !runs.isEmpty && runs.allSatisfy { !$0.isEmpty && Set(work.taskExperts[$0]).count == 1 }
        && Set(runs.joined()).count == runs.joined().count && runs.joined().allSatisfy { isReady($0) }
    case .finalize(let tasks):
      !tasks.isEmpty && Set(tasks).count == tasks.count && tasks.allSatisfy { isReady(final: $0) }
    case .await: !isDone
    case .finish: isDone
    }
  }

  mutating func note(_ action: ScheduleAction) {
    switch action {
    case .send(let peer, _):
      sentRows[peer] += 1
      inFlight[peer] += 1
    case .returnResults(let peer, _):
      sentResults[peer] += 1
      inFlight[peer] += 1
    case .compute(let runs): computed.formUnion(runs.joined())
    case .finalize(let tasks): finalized.formUnion(tasks)
    case .await, .finish: break
    }
  }
}
