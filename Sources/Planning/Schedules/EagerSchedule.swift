/// A list schedule: whatever is ready is taken, the most urgent first.
///
/// 1. Rows leave at once, inside the window: peers can only compute what has arrived.
/// 2. Results leave when they are done: someone waits for them.
/// 3. Remote rows that have arrived are computed before own ones: their results must still travel.
/// 4. Weight gradients that go along a chain of shadows, and the own rows that they need, are made before the rest.
/// 5. Own rows fill the time in which nothing has arrived.
/// 6. Weight gradients of experts whose rows are done fill the time in which results travel.
///
/// Ready neighbours of a task that is taken go with it: a product of more rows is faster, and it waits for nothing.
package struct EagerSchedule: ExchangeSchedule {
  private let work: ExchangeWork
  private let parallelism: Int
  private var outgoing: OutgoingChunks
  private var incoming: IncomingChunks
  private var final: FinalTasks
  private var ready: ReadyTasks
  private var uncomputed: Int
  private var isFinished = false

  package init(_ work: ExchangeWork, window: SendWindow, parallelism: Int, runRows: Int) {
    self.work = work
    self.parallelism = parallelism
    ready = ReadyTasks(work, threadCount: parallelism, runRows: runRows)
    outgoing = OutgoingChunks(work, window: window)
    incoming = IncomingChunks(work)
    final = FinalTasks(work)
    uncomputed = work.taskCount
    for task in 0..<work.taskCount where work.isOwn(task) {
      ready.append(task, work.travels(work.taskExperts[task]) ? .travelling : .own)
    }
  }

  package mutating func note(_ event: ScheduleEvent) {
    switch event {
    case .arrived(let source): incoming.noteArrived(source) { ready.append($0, .remote) }
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
    var runs = ready.take(.remote, limit)
    runs += ready.take(.travelling, limit - runs.count)
    if runs.isEmpty, let urgent = final.takeTravelling(limit) { return urgent }
    runs += ready.take(.own, limit - runs.count)
    return runs.isEmpty ? final.take(limit) : .compute(runs)
  }
}
