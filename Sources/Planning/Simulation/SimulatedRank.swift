import Topology

/// How an exchange is carried out, for a simulation: what the executor takes from its options.
package struct SimulationSettings: Hashable, Sendable {
  package var policy: SchedulePolicy
  /// Rows of a message at most.
  package var chunkRows: Int
  package var cut: TaskCut
  package var window: SendWindow
  /// Ranks of a group of the pairwise schedule.
  package var groupSize: Int
  /// Threads of each rank.
  package var threadCount: Int

  package init(
    policy: SchedulePolicy, chunkRows: Int, cut: TaskCut, window: SendWindow = SendWindow(), groupSize: Int = 1,
    threadCount: Int = 1
  ) {
    precondition(chunkRows > 0 && threadCount > 0, "messages of \(chunkRows) rows, \(threadCount) threads")
    self.policy = policy
    self.chunkRows = chunkRows
    self.cut = cut
    self.window = window
    self.groupSize = groupSize
    self.threadCount = threadCount
  }
}

/// One direction of the layer.
package enum SimulatedPass: String, Hashable, Sendable, CaseIterable {
  case forward, backward
}

/// What one rank does in a pass: the same work as `ExchangePlan` makes from real manifests, from counts alone.
///
/// The rows from one source to one rank are taken to lie evenly over their assignments: the x-th of A assignments needs row
/// x·V/A of V, and its result is in return row x·R/A of R.
struct SimulatedRank {
  let work: ExchangeWork
  /// Rows of each hosted expert, padding included. [e]
  private(set) var expertRows: [Int] = []

  init(_ traffic: ExchangeTraffic, rank: Int, _ settings: SimulationSettings, pass: SimulatedPass, blocks: Int) {
    let peers = traffic.groupSize
    let own = rank % peers
    let first = rank - own
    var builder = WorkBuilder(traffic, rank: rank, chunkRows: settings.chunkRows, isClosing: pass == .backward)
    var (taskExperts, taskRows): ([Int32], [Int32]) = ([], [])
    var sourceCounts = Array(repeating: 0, count: peers)
    for (local, expert) in traffic.placement.experts(of: Rank(own)).enumerated() {
      let entries = traffic.entries(group: rank / peers, expert: expert)
      var count = 0
      for source in 0..<peers { sourceCounts[source] = 0 }
      for entry in entries {
        sourceCounts[entry.source] = entry.count
        count += entry.count
      }
      let padded = (count + ReceivePlan.alignment - 1) / ReceivePlan.alignment * ReceivePlan.alignment
      let tasks = settings.cut.tasks(
        of: LocalExpert(local), group: 0..<padded, sourceCounts: sourceCounts, own: Rank(own))
      builder.add(entries, tasks: tasks)
      taskRows += tasks.map { Int32($0.rows.count) }
      taskExperts += tasks.map { _ in Int32(local) }
      expertRows.append(padded)
    }
    let isTrained = pass == .backward
    let messages = MessageCounts(traffic, chunkRows: settings.chunkRows, isClosing: isTrained)
    work = ExchangeWork(
      rank: own, dispatchChunks: (0..<peers).map { messages.rowChunks(from: rank, to: first + $0) },
      arrivalChunks: (0..<peers).map { messages.rowChunks(from: first + $0, to: rank) },
      returnChunks: (0..<peers).map { messages.resultChunks(of: first + $0, at: rank) },
      resultChunks: (0..<peers).map { messages.resultChunks(of: rank, at: first + $0) },
      needs: builder.needs, feeds: builder.feeds, taskExperts: taskExperts, taskRows: taskRows,
      finalExperts: isTrained
        ? expertRows.indices.flatMap { Array(repeating: Int32($0), count: blocks) } : [])
  }
}

/// How many messages travel between two ranks and how large they are.
struct MessageCounts {
  private let traffic: ExchangeTraffic
  private let chunkRows: Int
  /// In backward, a message with the gate weights' gradients follows the results.
  private let isClosing: Bool

  init(_ traffic: ExchangeTraffic, chunkRows: Int, isClosing: Bool) {
    self.traffic = traffic
    self.chunkRows = chunkRows
    self.isClosing = isClosing
  }

  func rowChunks(from source: Int, to target: Int) -> Int32 {
    source == target ? 0 : chunks(Int(traffic.rows[pair(source, target)]))
  }

  /// Messages of results that go from `target`, which computed them, to `source`.
  func resultChunks(of source: Int, at target: Int) -> Int32 {
    guard source != target, traffic.assignments[pair(source, target)] > 0 else { return 0 }
    return chunks(Int(traffic.returnRows[pair(source, target)])) + (isClosing ? 1 : 0)
  }

  /// Rows of one message; of a closing message none.
  func rowCount(from source: Int, to target: Int, chunk: Int) -> Int {
    min(chunkRows, Int(traffic.rows[pair(source, target)]) - chunk * chunkRows)
  }

  func resultCount(of source: Int, at target: Int, chunk: Int) -> Int {
    max(0, min(chunkRows, Int(traffic.returnRows[pair(source, target)]) - chunk * chunkRows))
  }

  func assignments(of source: Int, at target: Int) -> Int { Int(traffic.assignments[pair(source, target)]) }

  private func chunks(_ rows: Int) -> Int32 { Int32((rows + chunkRows - 1) / chunkRows) }
  private func pair(_ source: Int, _ target: Int) -> Int {
    traffic.pair(from: source, to: target % traffic.groupSize)
  }
}

/// The dependencies of a rank's tasks.
private struct WorkBuilder {
  private(set) var needs: [[ExchangeWork.Need]] = []
  private(set) var feeds: [[ExchangeWork.Feed]] = []
  private let traffic: ExchangeTraffic
  private let own: Int
  private let first: Int
  private let chunkRows: Int
  private let messages: MessageCounts
  private let isClosing: Bool
  /// Assignments of each source that earlier experts took. [P]
  private var taken: [Int]

  init(_ traffic: ExchangeTraffic, rank: Int, chunkRows: Int, isClosing: Bool) {
    self.traffic = traffic
    own = rank % traffic.groupSize
    first = rank - own
    self.chunkRows = chunkRows
    self.isClosing = isClosing
    messages = MessageCounts(traffic, chunkRows: chunkRows, isClosing: isClosing)
    taken = Array(repeating: 0, count: traffic.groupSize)
  }

  /// Adds the tasks of one expert, whose rows are in order of the sources.
  mutating func add(_ entries: some Sequence<ExchangeTraffic.Entry>, tasks: [RowTask]) {
    let base = needs.count
    needs += Array(repeating: [], count: tasks.count)
    feeds += Array(repeating: [], count: tasks.count)
    var (task, place) = (0, 0)
    for entry in entries {
      let end = place + entry.count
      var start = place
      while start < end {
        while tasks[task].rows.upperBound <= start { task += 1 }
        let stop = min(end, tasks[task].rows.upperBound)
        if entry.source != own {
          let offset = taken[entry.source] - place
          connect(base + task, entry.source, start + offset..<stop + offset)
        }
        start = stop
      }
      taken[entry.source] += entry.count
      place = end
    }
  }

  /// A task that computes a range of a source's assignments here needs its rows and makes its results.
  private mutating func connect(_ task: Int, _ source: Int, _ range: Range<Int>) {
    let pair = traffic.pair(from: first + source, to: own)
    let (rows, returns) = (Int(traffic.rows[pair]), Int(traffic.returnRows[pair]))
    let total = Int(traffic.assignments[pair])
    let lastRow = (range.upperBound * rows + total - 1) / total - 1
    needs[task].append(ExchangeWork.Need(source: source, chunkCount: lastRow / chunkRows + 1))
    let results = range.lowerBound * returns / total / chunkRows...(range.upperBound - 1) * returns / total / chunkRows
    for chunk in results { feeds[task].append(ExchangeWork.Feed(source: source, chunk: chunk)) }
    guard isClosing else { return }
    let closing = Int(messages.resultChunks(of: first + source, at: first + own)) - 1
    feeds[task].append(ExchangeWork.Feed(source: source, chunk: closing))
  }
}
