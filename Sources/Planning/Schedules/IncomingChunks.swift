/// What one rank waits for: rows, which make tasks ready, and results.
struct IncomingChunks: Sendable {
  private let work: ExchangeWork
  /// Chunks of each source that are here. [P + streams]
  private var arrived: [Int32]
  /// Results of each peer that are here. [P + streams]
  private var returned: [Int32]
  /// The tasks that wait for each source, in the order in which its chunks satisfy them; one source after another.
  private let waiters: [Waiter]
  private var cursors: [Int]
  private let ends: [Int]
  /// Sources that each task still waits for.
  private var missingSources: [Int32]
  private(set) var missingChunks: Int
  private(set) var missingResults: Int

  private struct Waiter {
    let chunkCount: Int32
    let task: Int32
  }

  init(_ work: ExchangeWork) {
    self.work = work
    arrived = Array(repeating: 0, count: work.arrivalChunks.count)
    returned = Array(repeating: 0, count: work.resultChunks.count)
    missingChunks = work.arrivalChunks.reduce(0) { $0 + Int($1) }
    missingResults = work.resultChunks.reduce(0) { $0 + Int($1) }
    missingSources = work.needs.map { Int32($0.count) }
    var counts = Array(repeating: 0, count: work.arrivalChunks.count + 1)
    for needs in work.needs { for need in needs { counts[Int(need.source) + 1] += 1 } }
    for source in work.arrivalChunks.indices { counts[source + 1] += counts[source] }
    var next = counts
    var waiters = Array(repeating: Waiter(chunkCount: 0, task: 0), count: counts[work.arrivalChunks.count])
    for (task, needs) in work.needs.enumerated() {
      for need in needs {
        waiters[next[Int(need.source)]] = Waiter(chunkCount: need.chunkCount, task: Int32(task))
        next[Int(need.source)] += 1
      }
    }
    for source in work.arrivalChunks.indices {
      waiters[counts[source]..<counts[source + 1]].sort {
        ($0.chunkCount, $0.task) < ($1.chunkCount, $1.task)
      }
    }
    self.waiters = waiters
    cursors = Array(counts.dropLast())
    ends = Array(counts.dropFirst())
  }

  /// Takes note of a source's next chunk; calls `ready` with each task that waits for nothing any more.
  mutating func noteArrived(_ source: Int, ready: (Int) -> Void) {
    precondition(arrived[source] < work.arrivalChunks[source], "more chunks of \(source) than it has")
    arrived[source] += 1
    missingChunks -= 1
    while cursors[source] < ends[source], waiters[cursors[source]].chunkCount <= arrived[source] {
      let task = Int(waiters[cursors[source]].task)
      cursors[source] += 1
      missingSources[task] -= 1
      if missingSources[task] == 0 { ready(task) }
    }
  }

  mutating func noteReturned(_ peer: Int) {
    precondition(returned[peer] < work.resultChunks[peer], "more results of \(peer) than it owes")
    returned[peer] += 1
    missingResults -= 1
  }

  /// Whether all rows of a source are here.
  func hasArrived(_ source: Int) -> Bool { arrived[source] == work.arrivalChunks[source] }
  /// Whether all results of a peer are here.
  func hasReturned(_ peer: Int) -> Bool { returned[peer] == work.resultChunks[peer] }
}

/// The final tasks: those of an expert can run when its row tasks are done.
struct FinalTasks: Sendable {
  private let experts: [Int32]
  /// Row tasks of each expert that are not done.
  private var missing: [Int32: Int32] = [:]
  /// Where each expert's final tasks begin and end.
  private var ranges: [Int32: Range<Int>] = [:]
  private var ready = TaskQueue()
  private(set) var unfinished: Int

  init(_ work: ExchangeWork) {
    experts = work.finalExperts
    unfinished = work.finalTaskCount
    for expert in work.taskExperts { missing[expert, default: 0] += 1 }
    for (task, expert) in work.finalExperts.enumerated() {
      ranges[expert] = (ranges[expert]?.lowerBound ?? task)..<task + 1
    }
    for (task, expert) in work.finalExperts.enumerated() where missing[expert] == nil { ready.append(task) }
  }

  mutating func noteComputed(expert: Int32) {
    guard let count = missing[expert] else { return }
    missing[expert] = count - 1
    if count == 1 { for task in ranges[expert] ?? 0..<0 { ready.append(task) } }
  }

  mutating func noteFinalized(_ tasks: [Int]) { unfinished -= tasks.count }

  mutating func take(_ count: Int) -> ScheduleAction? {
    ready.isEmpty ? nil : .finalize(ready.take(count))
  }
}
