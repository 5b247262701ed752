/// What one rank waits for: rows, which make tasks ready, and results.
struct IncomingChunks: Sendable {
  /// What is known of each source lies together: a simulation of many ranks is bound by memory. [P + streams]
  private var sources: [Source]
  /// Results of each peer that are still to come. [P + streams]
  private var missingFrom: [Int32]
  /// The tasks that wait for each source, in the order in which its chunks satisfy them; one source after another.
  private let waiters: [Waiter]
  /// Sources that each task still waits for.
  private var missingSources: [Int32]
  private(set) var missingChunks: Int
  private(set) var missingResults: Int

  private struct Source {
    /// Chunks that are here, and that there are.
    var arrived: Int32
    let chunkCount: Int32
    /// Its first waiter that still waits, and where its waiters end.
    var cursor: Int32
    let end: Int32
  }

  private struct Waiter {
    let chunkCount: Int32
    let task: Int32
  }

  init(_ work: ExchangeWork) {
    missingFrom = work.resultChunks
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
    sources = work.arrivalChunks.indices.map {
      Source(
        arrived: 0, chunkCount: work.arrivalChunks[$0], cursor: Int32(counts[$0]), end: Int32(counts[$0 + 1]))
    }
  }

  /// Takes note of a source's next chunk; calls `ready` with each task that waits for nothing any more.
  mutating func noteArrived(_ place: Int, ready: (Int) -> Void) {
    var source = sources[place]
    precondition(source.arrived < source.chunkCount, "more chunks of \(place) than it has")
    source.arrived += 1
    missingChunks -= 1
    while source.cursor < source.end, waiters[Int(source.cursor)].chunkCount <= source.arrived {
      let task = Int(waiters[Int(source.cursor)].task)
      source.cursor += 1
      missingSources[task] -= 1
      if missingSources[task] == 0 { ready(task) }
    }
    sources[place] = source
  }

  mutating func noteReturned(_ peer: Int) {
    precondition(missingFrom[peer] > 0, "more results of \(peer) than it owes")
    missingFrom[peer] -= 1
    missingResults -= 1
  }

  /// Whether all rows of a source are here.
  func hasArrived(_ source: Int) -> Bool { sources[source].arrived == sources[source].chunkCount }
  /// Whether all results of a peer are here.
  func hasReturned(_ peer: Int) -> Bool { missingFrom[peer] == 0 }
}
