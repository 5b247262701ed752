import Planning

/// What a schedule promises beyond the dependencies, said again without its queues and counters.
protocol ScheduleRule {
  /// Why an action that the dependencies allow breaks the promise; nil if it does not.
  func objection(to action: ScheduleAction, _ progress: RankProgress) -> String?
}

extension ScheduleRule {
  /// Whether everything that an action does is possible and promised.
  func permits(_ action: ScheduleAction, _ progress: RankProgress) -> Bool {
    progress.allows(action) && objection(to: action, progress) == nil
  }
}

/// All rows, then all tasks, then all results.
struct SequentialRule: ScheduleRule {
  func objection(to action: ScheduleAction, _ progress: RankProgress) -> String? {
    switch action {
    case .compute(let runs):
      if !hasExchanged(progress) || !progress.isIdle { return "computes before all rows are exchanged" }
      return runs == (0..<progress.work.taskCount).map { $0..<$0 + 1 } ? nil : "computes a part, or joins tasks"
    case .finalize(let tasks):
      if !hasExchanged(progress) || !progress.isIdle || !progress.hasComputedAll { return "finalizes too early" }
      return tasks.count == progress.work.finalTaskCount ? nil : "finalizes a part"
    case .returnResults:
      let isOpen = hasExchanged(progress) && progress.hasComputedAll && progress.hasFinalizedAll
      return isOpen ? nil : "returns too early"
    case .send, .await, .finish: return nil
    }
  }

  private func hasExchanged(_ progress: RankProgress) -> Bool { progress.hasAllArrived && progress.hasSentAllRows }
}

/// FasterMoE's order of steps among groups of consecutive ranks.
struct PairwiseRule: ScheduleRule {
  let groupSize: Int
  let parallelism: Int

  func objection(to action: ScheduleAction, _ progress: RankProgress) -> String? {
    if let missed = passedOver(by: action, progress) { return "passes over \(missed)" }
    switch action {
    case .send(let peer, _):
      let step = targetStep(peer, progress)
      return (0..<step).allSatisfy { hasExchangedRows($0, progress) } ? nil : "begins S\(step) too early"
    case .compute(let runs):
      return runs.contains { $0.count > 1 } ? "joins tasks" : objection(toComputing: runs.flatMap(\.self), progress)
    case .returnResults(let peer, _):
      let step = originStep(peer, progress)
      // What is in flight behind the first result is a result.
      let hasBegun = progress.sentResults.contains { $0 > 0 }
      let isOpen =
        progress.hasSentAllRows && progress.hasAllArrived && (hasBegun || progress.isIdle)
        && (0...step).allSatisfy { hasComputed($0, progress) }
        && (0..<step).allSatisfy { hasExchangedResults($0, progress) }
      return isOpen ? nil : "begins R\(step) too early"
    case .finalize(let tasks):
      // A step without tasks still waits for its rows.
      if !progress.hasComputedAll || !progress.hasAllArrived { return "finalizes too early" }
      return tasks.count <= parallelism ? nil : "finalizes \(tasks.count) at once"
    case .await, .finish: return nil
    }
  }

  /// A message that could leave before tasks are run: messages travel while tasks compute.
  private func passedOver(by action: ScheduleAction, _ progress: RankProgress) -> ScheduleAction? {
    switch action {
    case .compute, .finalize: break
    case .send, .returnResults, .await, .finish: return nil
    }
    return progress.possibleActions.first { other in
      switch other {
      case .send, .returnResults: permits(other, progress)
      case .compute, .finalize, .await, .finish: false
      }
    }
  }

  private func objection(toComputing tasks: [Int], _ progress: RankProgress) -> String? {
    let steps = Set(tasks.map { taskStep($0, progress.work) })
    guard tasks.count <= parallelism, steps.count == 1, let step = steps.first else { return "computes too much" }
    let sources = progress.peers.filter { originStep($0, progress) <= step } + progress.streams
    let isOpen = sources.allSatisfy(progress.hasArrived) && (0..<step).allSatisfy { hasComputed($0, progress) }
    return isOpen ? nil : "begins C\(step) too early"
  }

  private func step(from: Int, to: Int, _ work: ExchangeWork) -> Int {
    let groupCount = (work.rankCount + groupSize - 1) / groupSize
    let difference = to / groupSize - from / groupSize
    return difference < 0 ? difference + groupCount : difference
  }

  /// The step in which rows go to a peer.
  private func targetStep(_ peer: Int, _ progress: RankProgress) -> Int {
    step(from: progress.work.rank, to: peer, progress.work)
  }

  /// The step in which rows come from a peer.
  private func originStep(_ peer: Int, _ progress: RankProgress) -> Int {
    step(from: peer, to: progress.work.rank, progress.work)
  }

  private func taskStep(_ task: Int, _ work: ExchangeWork) -> Int {
    let sources = work.needs[task].map { Int($0.source) }.filter { $0 < work.rankCount }
    return sources.map { step(from: $0, to: work.rank, work) }.max() ?? 0
  }

  private func hasComputed(_ step: Int, _ progress: RankProgress) -> Bool {
    (0..<progress.work.taskCount).allSatisfy {
      taskStep($0, progress.work) != step || progress.computed.contains($0)
    }
  }

  /// Streams belong to the first step.
  private func hasExchangedRows(_ step: Int, _ progress: RankProgress) -> Bool {
    progress.peers.allSatisfy { peer in
      (targetStep(peer, progress) != step || progress.hasSentRows(to: peer) && progress.inFlight[peer] == 0)
        && (originStep(peer, progress) != step || progress.hasArrived(peer))
    } && progress.streams.allSatisfy(progress.hasArrived)
  }

  private func hasExchangedResults(_ step: Int, _ progress: RankProgress) -> Bool {
    progress.peers.allSatisfy { peer in
      (originStep(peer, progress) != step || progress.hasSentResults(to: peer) && progress.inFlight[peer] == 0)
        && (targetStep(peer, progress) != step || progress.hasReturned(peer))
    }
  }
}

/// Always the most urgent of what is possible, and as much of it as can run at once.
struct EagerRule: ScheduleRule {
  let parallelism: Int
  let runRows: Int

  func objection(to action: ScheduleAction, _ progress: RankProgress) -> String? {
    let passedOver = progress.possibleActions.first { other in
      guard case .compute(let done) = action, case .compute(let runs) = other else {
        return urgency(other, progress) < urgency(action, progress)
      }
      let leastUrgent = { (runs: [Range<Int>]) in runs.map { urgency(ofRun: $0, progress.work) }.max() ?? 0 }
      return leastUrgent(runs) < leastUrgent(done) && !Set(runs.joined()).isSubset(of: done.joined())
    }
    if let passedOver { return "passes over \(passedOver)" }
    switch action {
    case .compute(let runs):
      return objection(toRuns: runs, progress)
    case .finalize(let tasks):
      // Gradients that travel do not wait for others'.
      let others = progress.readyFinals.filter { travels(final: $0, progress) == travels(final: tasks[0], progress) }
      return objection(toCount: tasks.count, of: others.count, progress)
    case .send, .returnResults, .await, .finish: return nil
    }
  }

  private func travels(final task: Int, _ progress: RankProgress) -> Bool {
    progress.work.travellingExperts.contains(progress.work.finalExperts[task])
  }

  private func objection(toCount count: Int, of readyCount: Int, _ progress: RankProgress) -> String? {
    let limit = isQuiet(progress) ? readyCount : min(parallelism, readyCount)
    return count == limit ? nil : "runs \(count) of \(readyCount) tasks"
  }

  /// Nothing has to be polled for between tasks when no message can come and none has to leave.
  private func isQuiet(_ progress: RankProgress) -> Bool {
    progress.hasAllArrived && progress.hasAllReturned && progress.isIdle && progress.hasSentAllResults
  }

  /// There are as many runs as threads, if there are as many tasks. A run has as many rows as it may, or no ready neighbour,
  /// unless another thread would have nothing to do.
  private func objection(toRuns runs: [Range<Int>], _ progress: RankProgress) -> String? {
    let work = progress.work
    let taken = Set(runs.joined())
    let left = Set(progress.readyTasks).subtracting(taken)
    let rows = { (run: Range<Int>) in work.taskRows[run].reduce(0, +) }
    if let large = runs.first(where: { $0.count > 1 && rows($0) > Int32(runRows) }) { return "joins \(large)" }
    if left.isEmpty, runs.count < parallelism, runs.contains(where: { $0.count > 1 }) { return "leaves a thread idle" }
    for run in runs where left.count >= parallelism {
      for next in [run.lowerBound - 1, run.upperBound] where left.contains(next) {
        let isSame = work.taskExperts[next] == work.taskExperts[run.lowerBound]
        if isSame, rows(run) + work.taskRows[next] <= runRows { return "does not join \(next) to \(run)" }
      }
    }
    // Every task that is left could be a run of its own.
    let possible = left.isEmpty ? min(runs.count, parallelism) : runs.count + left.count
    return isQuiet(progress) && left.isEmpty ? nil : objection(toCount: runs.count, of: possible, progress)
  }

  private func urgency(_ action: ScheduleAction, _ progress: RankProgress) -> Int {
    switch action {
    case .send: 0
    case .returnResults: 1
    // Threads that are left take what is less urgent.
    case .compute(let runs): runs.map { urgency(ofRun: $0, progress.work) }.min() ?? 0
    case .finalize(let tasks): tasks.contains { !travels(final: $0, progress) } ? 6 : 4
    case .await, .finish: 7
    }
  }

  /// What is least urgent of a run only fills it up.
  private func urgency(ofRun run: Range<Int>, _ work: ExchangeWork) -> Int {
    run.map { urgency(ofTask: $0, work) }.min() ?? 0
  }

  /// Remote rows first, then what gradients that travel need, then the rest.
  private func urgency(ofTask task: Int, _ work: ExchangeWork) -> Int {
    guard work.needs[task].isEmpty else { return 2 }
    return work.travellingExperts.contains(work.taskExperts[task]) ? 3 : 5
  }
}

/// A schedule, how it is set, and the rule it has to keep.
struct ScheduleSetting: CustomStringConvertible {
  let policy: SchedulePolicy
  let window: SendWindow
  let groupSize: Int
  let parallelism: Int
  var runRows = 16

  func schedule(_ work: ExchangeWork) -> any ExchangeSchedule {
    policy.schedule(work, window: window, groupSize: groupSize, parallelism: parallelism, runRows: runRows)
  }

  var rule: any ScheduleRule {
    switch policy {
    case .sequential: SequentialRule()
    case .pairwise: PairwiseRule(groupSize: groupSize, parallelism: parallelism)
    case .eager: EagerRule(parallelism: parallelism, runRows: runRows)
    }
  }

  var description: String {
    "\(policy.rawValue), window \(window.total)/\(window.perPeer), groups of \(groupSize), \(parallelism) at once, runs of \(runRows) rows"
  }
}
