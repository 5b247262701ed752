/// What the executor of an exchange does next.
package enum ScheduleAction: Hashable, Sendable, CustomStringConvertible {
  /// Wait until a message arrives or leaves, and report it.
  case await
  /// Compute these tasks; they may run at the same time.
  case compute(Range<Int>)
  /// Send a source its results.
  case returnResults(source: Int)
  /// All results are here and nothing is in flight.
  case finish

  package var description: String {
    switch self {
    case .await: "await"
    case .compute(let tasks): "compute \(tasks)"
    case .returnResults(let source): "return \(source)"
    case .finish: "finish"
    }
  }
}

/// What the executor reports to its schedule.
package enum ScheduleEvent: Hashable, Sendable {
  /// All rows of a source are here.
  case arrived(source: Int)
  /// The tasks of the last `compute` are done.
  case computed(Range<Int>)
  /// All results that a peer owes this rank are here.
  case returned(peer: Int)
  /// Everything sent so far has left.
  case sent
}

/// The order in which one rank takes the parts of an exchange: a pure state machine, events in, next action out.
///
/// One machine serves forward (rows in, results out) and backward (output gradients in, input gradients out).
package protocol ExchangeSchedule: Sendable {
  mutating func note(_ event: ScheduleEvent)
  mutating func next() -> ScheduleAction
}

/// Everything arrives, everything is computed, everything returns: no overlap. The measure of the others.
package struct SequentialSchedule: ExchangeSchedule, Hashable {
  private enum Stage: Hashable {
    case arriving, computing(stage: Int), returning(next: Int), finishing, finished
  }

  private let peers: [Int]
  private let stages: [Range<Int>]
  private var stage = Stage.arriving
  private var isSending: Bool
  private var missingRows: Set<Int>
  // A fast peer may return results while another's rows are still under way.
  private var missingResults: Set<Int>

  /// - Parameters:
  ///   - peers: the other ranks that rows come from and results go to.
  ///   - stages: the experts' tasks; those of one stage need the results of the one before.
  package init(peers: [Int], stages: [Range<Int>]) {
    self.peers = peers
    self.stages = stages
    isSending = !peers.isEmpty
    missingRows = Set(peers)
    missingResults = Set(peers)
  }

  package mutating func note(_ event: ScheduleEvent) {
    switch event {
    case .arrived(let source):
      precondition(missingRows.remove(source) != nil, "rows of \(source) arrived twice")
    case .returned(let peer):
      precondition(missingResults.remove(peer) != nil, "results of \(peer) arrived twice")
    case .sent:
      isSending = false
    case .computed:
      guard case .computing(let done) = stage else { preconditionFailure("tasks done while \(stage)") }
      stage = done + 1 < stages.count ? .computing(stage: done + 1) : .returning(next: 0)
    }
  }

  package mutating func next() -> ScheduleAction {
    switch stage {
    case .arriving:
      // Sends are completed before computing: an unfinished one would stall its receiver until the next poke.
      if !missingRows.isEmpty || isSending { return .await }
      stage = stages.isEmpty ? .returning(next: 0) : .computing(stage: 0)
      return self.next()
    case .computing(let index):
      return .compute(stages[index])
    case .returning(let next) where next < peers.count:
      stage = .returning(next: next + 1)
      isSending = true
      return .returnResults(source: peers[next])
    case .returning, .finishing:
      stage = .finishing
      if !missingResults.isEmpty || isSending { return .await }
      stage = .finished
      return .finish
    case .finished:
      preconditionFailure("the next action while \(stage)")
    }
  }
}
