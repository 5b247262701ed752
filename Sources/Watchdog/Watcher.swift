import FlightRecorder

/// The process that watches a job: it hears all ranks, judges them, prints the failure block, and ends with the job.
package struct Watcher {
  private let rankCount: Int
  private let address: WatchAddress
  private let listener = Socket(descriptor: WatcherProcess.listener)
  private let lifeline = Socket(descriptor: WatcherProcess.lifeline)
  /// What the watch itself leaves for `blame`: whom it lost, and its verdict.
  private let own: FlightRecorder
  private var folder: String?
  private var limits = HeartbeatLimits(heartbeat: HeartbeatLimits.defaultHeartbeat, wait: .seconds(60))
  private var queue: EventQueue
  private var strangers: [Connection] = []
  private var ranks: [Int: Connection] = [:]
  private var judge: Judge
  /// The last record of each rank, as it came.
  private var heard: [Int: [UInt8]] = [:]
  private var stragglers: StragglerWatch
  private var pulse = Pulse()
  private var goneCount = 0
  /// Ranks have left together with another exit code than 0, which the launcher must not lose.
  private var hasExitCode = false
  private var failure: Failure?

  /// From the first sign that the job fails.
  private struct Failure {
    let since: UInt64
    /// Nobody else will end the job.
    let isVerdict: Bool
    var isReported = false
    /// Every rank has been told to end the job and those of this host have been killed: the rest is out of reach.
    var isSpent = false
    var toldRanks: Set<Int> = []
    /// Ranks that have told of an error of their own: they end the job when the block is written.
    var failedRanks: Set<Int> = []
  }

  /// From the first lost rank to the block: until the last words of others that were lost with it have arrived.
  private static let gathering: UInt64 = 100_000_000
  /// From the block until every rank is told to end the job, and until those of this host are killed.
  private static let second: UInt64 = 400_000_000
  private static let last: UInt64 = 1_000_000_000
  /// Connections that have not said who they are, besides those of the ranks.
  private static let mostStrangers = 16
  /// Ranks that have not connected by then will not, when rank 0 is gone.
  private static let lateness: UInt64 = 10_000_000_000
  /// So long after rank 0 has gone nothing of the job is left that could be watched.
  private static let longestMourning: UInt64 = 60_000_000_000

  /// - Parameter secret: as `Watchdog.secretVariable` tells it.
  package init?(rankCount: Int, hostName: String, secret: String) {
    guard let address = WatchAddress(secretText: secret) else { return nil }
    self.rankCount = rankCount
    self.address = address
    // Before anything is opened here.
    WatcherProcess.closeOthers()
    queue = EventQueue()
    own = FlightRecorder(rank: 0, rankCount: rankCount, hostName: hostName)
    judge = Judge(limits)
    stragglers = StragglerWatch(rankCount: rankCount)
    for socket in [listener, lifeline] { queue.add(socket) }
  }

  /// Returns when the job has ended, or has been ended.
  package mutating func run() {
    let began = monotonicNanoseconds()
    var orphanedAt: UInt64?
    while true {
      let speaking = queue.wait(milliseconds: failure == nil ? Int32(limits.interval / 1_000_000) : 10)
      let now = monotonicNanoseconds()
      judge.slept(pulse.asleep(now, limits.interval))
      greetStrangers(at: now)
      for rank in queue.ended().compactMap(rank(at:)) { hearLast(rank, at: now) }
      for rank in speaking.compactMap(rank(at:)) { hear(rank, at: now) }
      if pulse.isDue(now, limits.interval) { passOn() }
      if orphanedAt == nil, !isHeld(lifeline) {
        orphanedAt = now
        queue.remove(lifeline)
      }
      conclude(at: now)
      // A host that is out of reach keeps its connections: nobody tells of their end.
      let isAlone = ranks.isEmpty || failure?.isSpent ?? false
      let isOver = goneCount == rankCount || (orphanedAt.map { isAlone && now - $0 > Self.gathering } ?? false)
      let isLate = now - began > Self.lateness || goneCount > 0
      if isOver, failure?.isReported ?? true, isLate || goneCount == rankCount { break }
      if let orphanedAt, now - orphanedAt > Self.longestMourning { return }
    }
    if hasExitCode { outliveRankZero() }
  }

  private func outliveRankZero() {
    var patience = Self.last / 1_000_000
    while isHeld(lifeline, milliseconds: 1), patience > 0 { patience -= 1 }
    WatcherProcess.letGoSlowly()
  }

  /// Every rank hears of rank 0, and that the watch goes on.
  private mutating func passOn() {
    guard let record = heard[0] else { return }
    let frame = Frame(.record, record)
    for rank in ranks.keys { ranks[rank]?.send(frame) }
  }

  // MARK: Connections

  private mutating func greetStrangers(at now: UInt64) {
    while let socket = listener.accept() {
      guard strangers.count < rankCount + Self.mostStrangers else {
        socket.close()
        continue
      }
      queue.add(socket)
      strangers.append(Connection(socket))
    }
    var unknown: [Connection] = []
    for var stranger in strangers {
      let news = stranger.receive()
      guard let hello = news.frames.first else {
        if news.isLast { stranger.socket.close() } else { unknown.append(stranger) }
        continue
      }
      guard let rank = address.rank(of: hello, below: rankCount), ranks[rank] == nil else {
        stranger.socket.close()
        continue
      }
      stranger.send(Frame(.hello))
      ranks[rank] = stranger
      take(news.frames.dropFirst(), of: rank, at: now)
      if news.isLast, ranks[rank] != nil { lose(rank, at: now) }
    }
    strangers = unknown
  }

  private func rank(at descriptor: Int32) -> Int? { ranks.first { $0.value.socket.descriptor == descriptor }?.key }

  /// Takes what a rank says. That it has ended is told by `hearLast`, in its turn.
  private mutating func hear(_ rank: Int, at now: UInt64) {
    guard let news = ranks[rank]?.receive() else { return }
    take(news.frames[...], of: rank, at: now)
    if news.isNonsense, ranks[rank] != nil { lose(rank, at: now) }
  }

  /// Takes the last words of a rank that has ended. Without a goodbye it is lost.
  private mutating func hearLast(_ rank: Int, at now: UInt64) {
    hear(rank, at: now)
    if ranks[rank] != nil { lose(rank, at: now) }
  }

  private mutating func take(_ frames: ArraySlice<Frame>, of rank: Int, at now: UInt64) {
    for frame in frames {
      switch frame.kind {
      case .record:
        guard let record = try? FlightRecord(frame.content), record.rank == rank else { return lose(rank, at: now) }
        judge.heard(record, at: now)
        heard[rank] = frame.content
        for slow in stragglers.heard(record) { writeError("moe-worker: warning: \(slow)\n") }
        if let end = record.end, end.kind != .finished {
          fail(at: now, isVerdict: false)
          failure?.failedRanks.insert(rank)
        }
      case .dying:
        note(signal: Int32(frame.content.first ?? 0), of: rank, at: now)
        lose(rank, at: now)
      case .goodbye:
        if let end = try? FlightRecord(frame.content).end, end.code != 0 { hasExitCode = true }
        forget(rank)
      case .limits:
        limits = HeartbeatLimits(bytes: frame.content) ?? limits
        judge.limits = limits
      case .folder:
        keepRecord(in: String(decoding: frame.content, as: UTF8.self))
      case .hello, .leave: lose(rank, at: now)
      }
    }
  }

  /// What a rank says with its last breath goes into what was last heard of it.
  private mutating func note(signal: Int32, of rank: Int, at now: UInt64) {
    guard let bytes = heard[rank], let record = try? FlightRecord(bytes) else { return }
    let time = now &+ own.clockOffset &- record.clockOffset
    let marked = FlightRecord.marking(bytes, killedBy: signal, at: time)
    heard[rank] = marked
    if let record = try? FlightRecord(marked) { judge.heard(record, at: now) }
  }

  private mutating func lose(_ rank: Int, at now: UInt64) {
    own.noteLost(rank: rank)
    if let connection = ranks.removeValue(forKey: rank) {
      connection.socket.close()
      goneCount += 1
    }
    fail(at: now, isVerdict: false)
  }

  private mutating func forget(_ rank: Int) {
    guard let connection = ranks.removeValue(forKey: rank) else { return }
    connection.socket.close()
    goneCount += 1
    judge.forget(rank)
  }

  private mutating func keepRecord(in folder: String) {
    self.folder = folder
    // Without it `blame` knows less; the job is none the worse.
    try? own.keep(in: RecordFolder.watchPath(in: folder))
  }

  // MARK: The end

  private mutating func fail(at now: UInt64, isVerdict: Bool) {
    if failure == nil { failure = Failure(since: now, isVerdict: isVerdict) }
  }

  private mutating func conclude(at now: UInt64) {
    if failure == nil, let verdict = judge.verdict(at: now) {
      own.end(.error, code: FailureCause.peerLostCode, text: verdict.description, blamed: verdict.rank)
      fail(at: now, isVerdict: true)
    }
    guard var failure else { return }
    if !failure.isReported, failure.isVerdict || ranks.isEmpty || now - failure.since > Self.gathering {
      report()
      failure.isReported = true
    }
    if failure.isReported { endJob(&failure, at: now) }
    self.failure = failure
  }

  /// The launcher ends a job that has lost a rank. Otherwise the lowest rank that can asks it to, then all, and at last
  /// those of this host are killed.
  private mutating func endJob(_ failure: inout Failure, at now: UInt64) {
    let age = now - failure.since
    for rank in failure.failedRanks where failure.toldRanks.insert(rank).inserted { ranks[rank]?.append(Frame(.leave)) }
    guard failure.isVerdict || age > Self.last else { return }
    let blamed = own.blamed
    let able = ranks.keys.sorted().filter { $0 != blamed || ranks.count == 1 }
    for rank in age > Self.second ? able[...] : able.prefix(1) where failure.toldRanks.insert(rank).inserted {
      ranks[rank]?.append(Frame(.leave))
    }
    guard age > Self.last else { return }
    for record in judge.records where record.hostName == own.hostName && ranks[record.rank] != nil {
      endProcess(record.processID)
    }
    failure.isSpent = true
  }

  private func report() {
    var records = Dictionary(judge.records.map { ($0.rank, $0) }) { $1 }
    for record in folder.map({ RecordReader.read($0).records }) ?? []
    where records[record.rank].map({ $0.processID == record.processID && $0.hostName == record.hostName }) ?? false {
      records[record.rank] = record
    }
    let watch = try? FlightRecord(own.snapshot())
    if let report = FailureReport(Array(records.values), watch: watch, rankCount: rankCount) {
      writeError(report.description)
      own.noteReport()
    }
    if let folder { for (rank, bytes) in heard { RecordReader.save(bytes, rank: rank, in: folder) } }
  }
}
