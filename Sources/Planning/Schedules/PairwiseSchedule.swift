/// FasterMoE's smart schedule (He et al., PPoPP 2022, §4.2), for any number of ranks and any group size.
///
/// Ranks form n groups of consecutive ranks; the last may be smaller. In step j a rank of group g sends its rows to group
/// g + j and receives those of group g − j (modulo n), computes them, and returns the results the same way:
///
///     communication   S₀ S₁ … Sₙ₋₁ R₀ R₁ … Rₙ₋₁      one after another; each is a group's sends and receives
///     computation        C₀ C₁ … Cₙ₋₁ [weights]       Cⱼ needs Sⱼ; Rⱼ needs Cⱼ
///
/// So a result leaves only after all rows have been sent: that is what the eager schedule does better. Where FasterMoE
/// computes weight gradients inside Cⱼ, they come last here, once per expert, so that their sums have one order.
package struct PairwiseSchedule: ExchangeSchedule {
  private let work: ExchangeWork
  private let parallelism: Int
  private let groups: PeerGroups
  private var outgoing: OutgoingChunks
  private var incoming: IncomingChunks
  private var final: FinalTasks
  /// The row tasks of each step.
  private var stepTasks: [TaskQueue]
  /// Tasks of each step that are not done.
  private var uncomputed: [Int]
  /// The step whose messages are under way: S₀ … Sₙ₋₁, then R₀ … Rₙ₋₁.
  private var messageStep = 0
  private var computeStep = 0
  private var isFinished = false

  package init(_ work: ExchangeWork, window: SendWindow, groupSize: Int, parallelism: Int) {
    self.work = work
    self.parallelism = parallelism
    let groups = PeerGroups(rank: work.rank, rankCount: work.rankCount, size: groupSize)
    self.groups = groups
    outgoing = OutgoingChunks(work, window: window)
    incoming = IncomingChunks(work)
    final = FinalTasks(work)
    stepTasks = Array(repeating: TaskQueue(), count: groups.count)
    uncomputed = Array(repeating: 0, count: groups.count)
    for task in 0..<work.taskCount {
      // Streams that are no rank's rows are waited for before the first step.
      let step = work.needs[task].map { groups.step(from: Int($0.source)) }.max() ?? 0
      stepTasks[step].append(task)
      uncomputed[step] += 1
    }
  }

  package mutating func note(_ event: ScheduleEvent) {
    switch event {
    case .arrived(let source): incoming.noteArrived(source) { _ in }
    case .returned(let peer): incoming.noteReturned(peer)
    case .sent(let peer): outgoing.noteSent(peer)
    case .computed(let tasks):
      uncomputed[computeStep] -= tasks.count
      for task in tasks {
        outgoing.noteComputed(task)
        final.noteComputed(expert: work.taskExperts[task])
      }
    case .finalized(let tasks): final.noteFinalized(tasks)
    }
  }

  package mutating func next() -> ScheduleAction {
    precondition(!isFinished, "the next action of a schedule that has finished")
    // Before messages: the end of a computation opens the way for its results, which leave before more is computed.
    while computeStep < groups.count && uncomputed[computeStep] == 0 && hasArrived(computeStep) { computeStep += 1 }
    if let send = takeMessage() { return send }
    if let tasks = takeTasks() { return tasks }
    guard messageStep == 2 * groups.count, computeStep == groups.count, final.unfinished == 0 else { return .await }
    isFinished = true
    return .finish
  }

  /// The next message of the step under way; goes on to the next step when one is complete.
  private mutating func takeMessage() -> ScheduleAction? {
    let count = groups.count
    while messageStep < 2 * count {
      let step = messageStep % count
      let (target, origin) = (groups.target(step), groups.origin(step))
      if messageStep < count {
        if let send = outgoing.takeRows(for: target) { return send }
        let isDone = target.allSatisfy { outgoing.hasSentRows(to: $0) && !outgoing.isInFlight(to: $0) }
        guard isDone && hasArrived(step) else { return nil }
      } else {
        guard computeStep > step else { return nil }
        if let send = outgoing.takeResults(for: origin) { return send }
        let isDone = origin.allSatisfy { outgoing.hasSentResults(to: $0) && !outgoing.isInFlight(to: $0) }
        guard isDone && target.allSatisfy(incoming.hasReturned) else { return nil }
        if step == count - 1 { guard incoming.missingResults == 0 else { return nil } }
      }
      messageStep += 1
    }
    return nil
  }

  private mutating func takeTasks() -> ScheduleAction? {
    guard computeStep < groups.count else { return final.take(parallelism) }
    guard hasArrived(computeStep) else { return nil }
    let tasks = stepTasks[computeStep].take(parallelism)
    return tasks.isEmpty ? nil : .compute(tasks.map { $0..<$0 + 1 })
  }

  private func hasArrived(_ step: Int) -> Bool {
    groups.origin(step).allSatisfy(incoming.hasArrived)
      && (work.rankCount..<work.arrivalChunks.count).allSatisfy(incoming.hasArrived)
  }
}

/// Consecutive ranks in groups, seen from one rank.
struct PeerGroups: Hashable, Sendable {
  private let rank: Int
  private let rankCount: Int
  private let size: Int

  init(rank: Int, rankCount: Int, size: Int) {
    precondition(size > 0, "groups of \(size) ranks")
    self.rank = rank
    self.rankCount = rankCount
    self.size = min(size, rankCount)
  }

  var count: Int { (rankCount + size - 1) / size }

  /// The ranks that rows go to in a step.
  func target(_ step: Int) -> Range<Int> { ranks(of: (rank / size + step) % count) }
  /// The ranks that rows come from in a step.
  func origin(_ step: Int) -> Range<Int> { ranks(of: (rank / size + count - step) % count) }
  /// The step in which a source's rows come; 0 for what is no rank.
  func step(from source: Int) -> Int { source < rankCount ? (rank / size - source / size + count) % count : 0 }

  private func ranks(of group: Int) -> Range<Int> { group * size..<min((group + 1) * size, rankCount) }
}
