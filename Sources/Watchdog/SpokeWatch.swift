import FlightRecorder
import Synchronization

/// A rank's watching thread: it tells the watching process where the rank stands, and ends the job if that process says so
/// or, with the host that it shares with rank 0, falls silent.
struct SpokeWatch {
  private let shared: Watchdog.Shared
  private let address: WatchAddress
  private var connection: Connection?
  /// Of rank 0 alone, whose record the watching process passes on.
  private var judge: Judge
  private var pulse: Pulse
  private var roundsLeft = 20
  private var sentLimits: HeartbeatLimits?
  private var sentFolder: String?

  /// How long the watching process may take to answer a connection.
  private static let answer: Int32 = 500
  /// How long a rank that ends with an error waits for the watch's word.
  private static let patience: UInt64 = 1_000_000_000
  /// The lowest rank speaks first; the others are there in case that it cannot.
  private static let turn: UInt64 = 250_000_000
  private static let turns = 6

  init(_ shared: Watchdog.Shared, address: WatchAddress) {
    self.shared = shared
    self.address = address
    judge = Judge(shared.state.withLock { $0.limits })
    pulse = Pulse()
  }

  /// Returns when the rank leaves, or its end is told.
  mutating func run() {
    while true {
      let state = shared.state.withLock { $0 }
      judge.limits = state.limits
      connectIfNeeded(state)
      shared.hasTried.store(true, ordering: .releasing)
      tellSettings(state)
      Socket.wait(
        for: [shared.bell.ear] + [connection?.socket].compactMap(\.self),
        milliseconds: Int32(state.limits.interval / 1_000_000))
      shared.bell.hush()
      let now = monotonicNanoseconds()
      judge.slept(pulse.asleep(now, state.limits.interval))
      hear(at: now)
      if pulse.isDue(now, state.limits.interval) {
        shared.recorder.beat()
        if pulse.filesMove() { shared.recorder.noteFiles() }
        connection?.send(Frame(.record, shared.recorder.snapshot()))
      }
      switch shared.state.withLock({ $0.wish }) {
      case .goOn: break
      case .sayGoodbye:
        connection?.finish(with: Frame(.goodbye, shared.recorder.snapshot()))
        return
      case .tellOfEnd:
        connection?.finish(with: Frame(.record, shared.recorder.snapshot()))
        awaitBlock()
        return
      }
      judgeWatcher(at: now)
    }
  }

  // MARK: Speaking

  /// Tries each address. A rank that reaches none is not watched.
  private mutating func connectIfNeeded(_ state: Watchdog.State) {
    guard connection == nil, roundsLeft > 0 else { return }
    roundsLeft -= 1
    for host in address.hosts {
      guard let socket = Socket.connect(to: host, port: address.port, milliseconds: Self.answer) else { continue }
      var candidate = Connection(socket)
      candidate.send(address.hello(of: shared.recorder.rank))
      // Somebody else may listen at this address on this rank's host: only the watching process says hello.
      Socket.wait(for: [socket], milliseconds: Self.answer)
      guard candidate.receive().frames.contains(where: { $0.kind == .hello }) else {
        socket.close()
        continue
      }
      candidate.send(Frame(.record, shared.recorder.snapshot()))
      DyingWords.send(Frame(.dying, [0]).bytes, signalAt: Frame.headCount, over: socket.descriptor)
      connection = candidate
      roundsLeft = 0
      return
    }
    if roundsLeft == 0 {
      writeError(
        "moe-worker: warning: rank \(shared.recorder.rank) does not reach the watch on rank 0's host over TCP: "
          + "should it stop, only --wait-limit will end the job\n")
    }
  }

  /// What rank 0 knows and the watching process should.
  private mutating func tellSettings(_ state: Watchdog.State) {
    guard shared.recorder.rank == 0, connection != nil else { return }
    if state.limits != sentLimits {
      connection?.append(Frame(.limits, state.limits.bytes))
      sentLimits = state.limits
    }
    if let folder = state.folder, folder != sentFolder {
      connection?.append(Frame(.folder, Array(folder.utf8)))
      sentFolder = folder
    }
  }

  /// Waits for the watch to write the block: a launcher that ends a job for an error takes the watch's outputs with it.
  private mutating func awaitBlock() {
    let deadline = monotonicNanoseconds() + Self.patience
    while let socket = connection?.socket, monotonicNanoseconds() < deadline {
      Socket.wait(for: [socket], milliseconds: 10)
      guard let news = connection?.receive(), !news.isLast, !news.frames.contains(where: { $0.kind == .leave })
      else { return }
    }
  }

  // MARK: Hearing

  private mutating func hear(at now: UInt64) {
    guard let news = connection?.receive() else { return }
    for frame in news.frames {
      if frame.kind == .leave { shared.endJob() }
      guard frame.kind == .record, let record = try? FlightRecord(frame.content), record.rank == 0 else { continue }
      judge.heard(record, at: now)
    }
    if news.isLast {
      // A job can do without a watch.
      connection?.socket.close()
      connection = nil
      judge.forget(0)
    }
  }

  /// How much later than the lowest rank this rank speaks.
  private var delay: UInt64 { UInt64(min(shared.recorder.rank, Self.turns)) * Self.turn }

  private func judgeWatcher(at now: UInt64) {
    guard let verdict = judge.silence(at: now &- min(now, delay)) else { return }
    shared.recorder.end(.error, code: FailureCause.peerLostCode, text: verdict.description, blamed: verdict.rank)
    var records = judge.records
    if let own = try? FlightRecord(shared.recorder.snapshot()) { records.append(own) }
    if let report = FailureReport(records, rankCount: shared.recorder.rankCount) {
      writeError(report.description)
      shared.recorder.noteReport()
    }
    shared.endJob()
  }
}
