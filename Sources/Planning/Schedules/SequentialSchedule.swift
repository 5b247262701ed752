/// Everything arrives, everything is computed, everything returns: no overlap. The measure of the others.
package struct SequentialSchedule: ExchangeSchedule {
  private enum Stage: Hashable { case exchanging, computing, finalizing, returning, finished }

  private let work: ExchangeWork
  private var outgoing: OutgoingChunks
  // A fast peer may return results while another's rows are still under way.
  private var incoming: IncomingChunks
  private var stage = Stage.exchanging

  package init(_ work: ExchangeWork, window: SendWindow) {
    self.work = work
    outgoing = OutgoingChunks(work, window: window)
    incoming = IncomingChunks(work)
  }

  package mutating func note(_ event: ScheduleEvent) {
    switch event {
    case .arrived(let source): incoming.noteArrived(source) { _ in }
    case .returned(let peer): incoming.noteReturned(peer)
    case .sent(let peer): outgoing.noteSent(peer)
    case .computed(let tasks):
      for task in tasks { outgoing.noteComputed(task) }
      stage = .finalizing
    case .finalized: stage = .returning
    }
  }

  package mutating func next() -> ScheduleAction {
    switch stage {
    case .exchanging:
      if let send = outgoing.takeRows() { return send }
      // Sends are completed before computing: an unfinished one would stall its receiver until the next poke.
      if incoming.missingChunks > 0 || !outgoing.isIdle { return .await }
      stage = .computing
      return next()
    case .computing:
      if work.taskCount > 0 { return .compute((0..<work.taskCount).map { $0..<$0 + 1 }) }
      stage = .finalizing
      return next()
    case .finalizing:
      if work.finalTaskCount > 0 { return .finalize(Array(0..<work.finalTaskCount)) }
      stage = .returning
      return next()
    case .returning:
      if let send = outgoing.takeResults() { return send }
      if incoming.missingResults > 0 || !outgoing.isIdle { return .await }
      stage = .finished
      return .finish
    case .finished:
      preconditionFailure("the next action of a schedule that has finished")
    }
  }
}
