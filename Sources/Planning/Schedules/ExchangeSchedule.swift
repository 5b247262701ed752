/// What the executor of an exchange does next.
package enum ScheduleAction: Hashable, Sendable, CustomStringConvertible {
  /// Send a peer a chunk of this rank's rows.
  case send(peer: Int, chunk: Int)
  /// Compute these runs of row tasks; they may run at the same time. A run's tasks are neighbours of one expert and are
  /// computed as one block of rows.
  case compute([Range<Int>])
  /// Compute these final tasks; they may run at the same time.
  case finalize([Int])
  /// Send a source a chunk of its results.
  case returnResults(peer: Int, chunk: Int)
  /// Wait until a message arrives or leaves, and report it.
  case await
  /// All results are here and nothing is in flight.
  case finish

  package var description: String {
    switch self {
    case .send(let peer, let chunk): "send \(peer).\(chunk)"
    case .compute(let runs): "compute \(runs.map(Self.text).joined(separator: " "))"
    case .finalize(let tasks): "finalize \(Self.list(tasks))"
    case .returnResults(let peer, let chunk): "return \(peer).\(chunk)"
    case .await: "await"
    case .finish: "finish"
    }
  }

  private static func text(_ run: Range<Int>) -> String {
    run.count == 1 ? "\(run.lowerBound)" : "\(run.lowerBound)-\(run.upperBound - 1)"
  }

  private static func list(_ tasks: [Int]) -> String { tasks.map(String.init).joined(separator: " ") }
}

/// What the executor reports to its schedule.
package enum ScheduleEvent: Hashable, Sendable, CustomStringConvertible {
  /// The next chunk of a source is here.
  case arrived(source: Int)
  /// Row tasks are done.
  case computed([Int])
  /// Final tasks are done.
  case finalized([Int])
  /// The next chunk of results that a peer owes this rank is here.
  case returned(peer: Int)
  /// One of the messages to a peer has left.
  case sent(peer: Int)

  package var description: String {
    switch self {
    case .arrived(let source): "arrived \(source)"
    case .computed(let tasks): "computed \(tasks)"
    case .finalized(let tasks): "finalized \(tasks)"
    case .returned(let peer): "returned \(peer)"
    case .sent(let peer): "sent \(peer)"
    }
  }
}

/// How many messages of a rank may be in flight at once: what bounds its memory and what MPI has to look at.
///
/// Receivers take chunks in the order in which they are sent, so a full window never waits for anything but the wire.
package struct SendWindow: Hashable, Sendable {
  package let total: Int
  package let perPeer: Int

  package init(total: Int = 16, perPeer: Int = 8) {
    precondition(total >= perPeer && perPeer > 0, "\(perPeer) messages to a peer of \(total) in all")
    self.total = total
    self.perPeer = perPeer
  }

  /// Room for a message to every peer at once, as far as a window is still quick to look through and small: where all
  /// messages are short, fewer would leave links idle.
  package static func fitting(rankCount: Int) -> SendWindow { SendWindow(total: min(max(16, rankCount), 256)) }
}

/// The order in which one rank takes the parts of a pass: a pure state machine, events in, next action out.
///
/// One machine serves forward (rows in, results out) and backward (output gradients in, input gradients out), the executor
/// and the simulator.
package protocol ExchangeSchedule: Sendable {
  mutating func note(_ event: ScheduleEvent)
  mutating func next() -> ScheduleAction
}

/// The schedules, by name.
package enum SchedulePolicy: String, Hashable, Sendable, CaseIterable, Codable {
  case sequential, pairwise, eager

  /// - Parameters:
  ///   - groupSize: ranks of a group of the pairwise schedule.
  ///   - parallelism: tasks that can run at once.
  ///   - runRows: rows of a run of tasks at most, unless a single task has more.
  package func schedule(
    _ work: ExchangeWork, window: SendWindow, groupSize: Int, parallelism: Int, runRows: Int
  ) -> any ExchangeSchedule {
    switch self {
    case .sequential: SequentialSchedule(work, window: window)
    case .pairwise: PairwiseSchedule(work, window: window, groupSize: groupSize, parallelism: parallelism)
    case .eager: EagerSchedule(work, window: window, parallelism: parallelism, runRows: runRows)
    }
  }
}
