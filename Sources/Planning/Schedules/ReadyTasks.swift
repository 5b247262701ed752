/// The row tasks that wait for nothing any more, by urgency.
///
/// A task that is taken brings its ready neighbours along, those before and behind it among the rows of its expert: a product
/// of more rows is faster, and nothing is waited for.
struct ReadyTasks: Sendable {
  /// Whose rows: of other ranks; own ones of experts whose gradients travel, and of the others.
  enum Urgency: Int, CaseIterable { case remote, travelling, own }

  private let work: ExchangeWork
  private let threadCount: Int
  /// Rows of a run at most, unless a single task has more.
  private let runRows: Int
  private var queues = Array(repeating: TaskQueue(), count: Urgency.allCases.count)
  /// Not taken yet, as a task that waits in a queue may be.
  private var isReady: [Bool]
  private var count = 0

  init(_ work: ExchangeWork, threadCount: Int, runRows: Int) {
    self.work = work
    self.threadCount = threadCount
    self.runRows = runRows
    isReady = Array(repeating: false, count: work.taskCount)
  }

  mutating func append(_ task: Int, _ urgency: Urgency) {
    isReady[task] = true
    count += 1
    queues[urgency.rawValue].append(task)
  }

  /// Up to `most` runs, each around the first task that is left of those of an urgency.
  mutating func take(_ urgency: Urgency, _ most: Int) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    while runs.count < most, let task = queues[urgency.rawValue].popFirst() {
      // Every other thread is left a task.
      if isReady[task] { runs.append(takeRun(around: task, leaving: threadCount - runs.count - 1)) }
    }
    return runs
  }

  private mutating func takeRun(around task: Int, leaving others: Int) -> Range<Int> {
    take(task)
    var run = task..<task + 1
    var rows = Int(work.taskRows[task])
    func isWanted(_ next: Int) -> Bool {
      isReady.indices.contains(next) && isReady[next] && work.taskExperts[next] == work.taskExperts[task]
        && rows + Int(work.taskRows[next]) <= runRows && count > others
    }
    func join(_ next: Int) {
      take(next)
      rows += Int(work.taskRows[next])
      run = min(run.lowerBound, next)..<max(run.upperBound, next + 1)
    }
    while isWanted(run.upperBound) { join(run.upperBound) }
    while isWanted(run.lowerBound - 1) { join(run.lowerBound - 1) }
    return run
  }

  private mutating func take(_ task: Int) {
    isReady[task] = false
    count -= 1
  }
}
