/// A list schedule: whatever is ready is taken, the most urgent first.
///
/// 1. Rows leave at once, inside the window: peers can only compute what has arrived.
/// 2. Results leave when they are done: someone waits for them.
/// 3. Remote rows that have arrived are computed before own ones: their results must still travel.
/// 4. Weight gradients that go along a chain of shadows, and the own rows that they need, are made before the rest.
/// 5. Own rows fill the time in which nothing has arrived.
/// 6. Weight gradients of experts whose rows are done fill the time in which results travel.
package struct EagerSchedule: ExchangeSchedule {
  private let work: ExchangeWork
  private let parallelism: Int
  private var outgoing: OutgoingChunks
  private var incoming: IncomingChunks
  private var final: FinalTasks
  private var remote = TaskQueue()
  /// Own rows of experts whose gradients travel, and of the others.
  private var travelling = TaskQueue()
  private var own = TaskQueue()
  private var uncomputed: Int
  private var isFinished = false

  package init(_ work: ExchangeWork, window: SendWindow, parallelism: Int) {
    self.work = work
    self.parallelism = parallelism
    outgoing = OutgoingChunks(work, window: window)
    incoming = IncomingChunks(work)
    final = FinalTasks(work)
    uncomputed = work.taskCount
    for task in 0..<work.taskCount where work.isOwn(task) {
      if work.travels(work.taskExperts[task]) { travelling.append(task) } else { own.append(task) }
    }
  }

  package mutating func note(_ event: ScheduleEvent) {
    switch event {
    case .arrived(let source): incoming.noteArrived(source) { remote.append($0) }
    case .returned(let peer): incoming.noteReturned(peer)
    case .sent(let peer): outgoing.noteSent(peer)
    case .computed(let tasks):
      uncomputed -= tasks.count
      for task in tasks {
        outgoing.noteComputed(task)
        final.noteComputed(expert: work.taskExperts[task])
      }
    case .finalized(let tasks): final.noteFinalized(tasks)
    }
  }

  package mutating func next() -> ScheduleAction {
    precondition(!isFinished, "the next action of a schedule that has finished")
    if let send = outgoing.takeRows() ?? outgoing.takeResults() { return send }
    if let tasks = takeTasks() { return tasks }
    if uncomputed > 0 || final.unfinished > 0 || incoming.missingResults > 0 || !outgoing.isIdle
      || incoming.missingChunks > 0
    {
      return .await
    }
    isFinished = true
    return .finish
  }

  /// As many tasks as can run at once; all of them when no message can come or has to leave meanwhile.
  private mutating func takeTasks() -> ScheduleAction? {
    let isQuiet =
      incoming.missingChunks == 0 && incoming.missingResults == 0 && outgoing.isIdle && outgoing.unsentResults == 0
    let limit = isQuiet ? work.taskCount + work.finalTaskCount : parallelism
    var tasks = remote.take(limit)
    tasks += travelling.take(limit - tasks.count)
    if tasks.isEmpty, let urgent = final.takeTravelling(limit) { return urgent }
    tasks += own.take(limit - tasks.count)
    return tasks.isEmpty ? final.take(limit) : .compute(tasks)
  }
}
