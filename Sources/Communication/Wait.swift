import FlightRecorder
import Glibc
package import Topology

extension Communicator {
  /// Waits until all requests are done.
  ///
  /// - Throws: when no request of this rank completed for `waitLimit`; the error names the activity, the operation and
  ///   the peers whose requests are still open.
  package func wait(
    for requests: [Request], what operation: @autoclosure () -> String
  ) throws(CommunicationError) {
    guard !requests.isEmpty else { return }
    var doneCount = 0
    try wait(
      in: operation(),
      missing: requests.lazy.filter { !$0.isDone }.map(\.worldPeer)
    ) { () throws(CommunicationError) in
      try poke(requests)
      while doneCount < requests.count && requests[doneCount].isDone { doneCount += 1 }
      return doneCount == requests.count
    }
  }

  /// The one wait of the program: look, then give the core away.
  ///
  /// No rank ever blocks inside MPI, because ranks may outnumber cores and MPICH spins (a blocking all-to-all of 1 KB
  /// over 4 ranks on 2 cores takes 4 ms, this loop 16 µs). `isDone` pokes what it waits for. The clock is set back
  /// whenever a request of this rank completes, so an operation may take longer than the limit as long as it moves; a
  /// single message may not.
  package func wait(
    in operation: @autoclosure () -> String,
    missing: @autoclosure () -> some Sequence<Rank>,
    until isDone: () throws(CommunicationError) -> Bool
  ) throws(CommunicationError) {
    var patience = Patience(limit: job.waitLimit, completedRequestCount: job.completedRequestCount)
    defer { job.recorder?.noteWait(nanoseconds: patience.age) }
    while try !isDone() {
      switch patience.check(completedRequestCount: job.completedRequestCount) {
      case .idle: break
      // Where one message has come the next may be there already.
      case .moving: continue
      case .resumed: job.noteResumption()
      case .stalled: job.noteStall(in: operation(), missing: missing())
      case .exhausted:
        throw job.fail(
          .noProgress,
          "no message arrived for \(job.waitLimit) in \(operation()); missing: \(Self.list(missing()))")
      }
      patience.rest()
    }
    if patience.hasStalled { job.noteResumption() }
  }

  private static func list(_ ranks: some Sequence<Rank>) -> String {
    let names = Set(ranks).sorted().map(\.description)
    return names.isEmpty ? "nobody" : names.joined(separator: ", ")
  }
}

/// How long a wait has seen nothing happen.
private struct Patience {
  enum Finding { case idle, moving, resumed, stalled, exhausted }

  /// After this many nanoseconds an observer is told.
  private static let noticeable: UInt64 = 250_000_000

  /// After this many nanoseconds without progress a rank sleeps between looks: where ranks outnumber cores, one that
  /// waits long would otherwise take time from those that it waits for.
  private static let sleepless: UInt64 = 1_000_000
  private static let nap: UInt32 = 20

  private let limit: UInt64
  private var idle: UInt64 = 0
  private var lastCompletedCount: Int
  private var lastProgress: UInt64
  private let began: UInt64
  private(set) var hasStalled = false

  init(limit: Duration, completedRequestCount: Int) {
    self.limit = nanoseconds(of: limit)
    lastCompletedCount = completedRequestCount
    began = monotonicNanoseconds()
    lastProgress = began
  }

  /// Nanoseconds since the wait began.
  var age: UInt64 { monotonicNanoseconds() &- began }

  /// Gives the core away: at once for others that are ready, after a while for a little longer.
  func rest() {
    if idle < Self.sleepless { sched_yield() } else { usleep(Self.nap) }
  }

  mutating func check(completedRequestCount: Int) -> Finding {
    let now = monotonicNanoseconds()
    if completedRequestCount != lastCompletedCount {
      lastCompletedCount = completedRequestCount
      lastProgress = now
      idle = 0
      defer { hasStalled = false }
      return hasStalled ? .resumed : .moving
    }
    idle = now &- lastProgress
    if idle > limit { return .exhausted }
    if !hasStalled && idle > Self.noticeable {
      hasStalled = true
      return .stalled
    }
    return .idle
  }
}
