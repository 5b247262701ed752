import Glibc
package import Topology

/// A fault that tests ask for: what a rank suffers when it enters a phase.
///
///     rank=2,phase=dispatch,step=3:kill          rank 2, when it enters dispatch in step 3
///     rank=0+1,phase=save:stop                   ranks 0 and 1, when they begin to save
///     rank=2,phase=backward,step=3,attempt=1:trap
///
/// Several are joined by semicolons. A condition that is left out holds always; each fault but `slow` happens once.
package struct FailPoint: Hashable, Sendable {
  package enum Fault: String, Hashable, Sendable, CaseIterable {
    /// Signals that the process sends itself.
    case kill, stop, abort, segv
    /// A trap of Swift's, and `exit(3)` where nobody expects it.
    case trap, exit
    /// Its own thread does nothing any more; a mutex that it holds already.
    case hang, lock
    /// The next message is lost on its way.
    case drop
    /// Takes memory, which the kernel answers by ending the process where a limit is set.
    case memory
    /// Each time, 100 ms are lost.
    case slow
    /// `SIGTERM` to itself: a wish to stop that only this rank hears of.
    case terminate
  }

  private var ranks: [Int]?
  private var phase: Activity.Phase?
  private var step: Int?
  private var layer: Int?
  private var attempt: Int?
  package private(set) var fault: Fault

  /// What a text asks of one rank in one attempt; nil if it is no such text.
  ///
  /// - Parameter attempt: how often the job was started, from 1.
  package static func parse(_ text: String, rank: Rank, attempt: Int) -> [FailPoint]? {
    var points: [FailPoint] = []
    for part in text.split(separator: ";") {
      guard let point = FailPoint(part) else { return nil }
      if point.ranks?.contains(rank.index) ?? true, point.attempt ?? attempt == attempt { points.append(point) }
    }
    return points
  }

  private init?(_ text: Substring) {
    let parts = text.split(separator: ":")
    guard parts.count == 2, let fault = Fault(rawValue: String(parts[1])) else { return nil }
    self.fault = fault
    for condition in parts[0].split(separator: ",") {
      let sides = condition.split(separator: "=")
      guard sides.count == 2, set(sides[0], to: String(sides[1])) else { return nil }
    }
  }

  private mutating func set(_ name: Substring, to value: String) -> Bool {
    switch name {
    case "phase":
      phase = Activity.Phase(rawValue: value)
      return phase != nil
    case "rank":
      let numbers = value.split(separator: "+").map { Int($0) }
      ranks = numbers.compactMap(\.self)
      return !numbers.contains(nil)
    case "step": step = Int(value)
    case "layer": layer = Int(value)
    case "attempt": attempt = Int(value)
    default: return false
    }
    return Int(value) != nil
  }

  func matches(_ activity: Activity) -> Bool {
    (phase ?? activity.phase) == activity.phase && (step == nil || step == activity.step)
      && (layer == nil || layer == activity.layer)
  }
}

extension JobState {
  /// From here on the rank suffers these, beginning with where it is.
  ///
  /// - Parameter announce: told of each when it strikes.
  package func expect(_ failPoints: [FailPoint], announce: @escaping (_ fault: String) -> Void) {
    self.failPoints = failPoints
    announceFault = announce
    if !failPoints.isEmpty { sufferFaults() }
  }

  /// Suffers the faults that are asked for in this activity.
  func sufferFaults() {
    guard let index = failPoints.firstIndex(where: { $0.matches(activity) }) else { return }
    let fault = failPoints[index].fault
    if fault != .slow {
      failPoints.remove(at: index)
      announceFault?("\(worldRank), \(activity): \(fault.rawValue)")
    }
    switch fault {
    case .kill: raise(SIGKILL)
    case .stop: raise(SIGSTOP)
    case .abort: Glibc.abort()
    case .segv: raise(SIGSEGV)
    case .terminate: raise(SIGTERM)
    case .trap: fatalError("a trap at a fail point")
    case .exit: Glibc.exit(3)
    case .hang: while true { usleep(1000) }
    case .lock: lockTwice()
    case .drop: losesNextMessage = true
    case .memory: takeMemory()
    case .slow: usleep(100_000)
    }
  }

  /// Two gigabytes and no more: a machine without a limit should not suffer.
  private func takeMemory() {
    let partSize = 16 << 20
    for _ in 0..<128 {
      let part = UnsafeMutableRawPointer.allocate(byteCount: partSize, alignment: 16)
      memset(part, 1, partSize)
    }
  }

  private func lockTwice() {
    let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_mutex_lock(mutex)
    pthread_mutex_lock(mutex)
  }
}
