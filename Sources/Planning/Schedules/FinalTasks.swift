/// The final tasks: those of an expert can run when its row tasks are done. Those that others wait for come first.
struct FinalTasks: Sendable {
  private let work: ExchangeWork
  /// Row tasks of each expert that are not done.
  private var missing: [Int32: Int32] = [:]
  /// Where each expert's final tasks begin and end.
  private var ranges: [Int32: Range<Int>] = [:]
  private var travelling = TaskQueue()
  private var others = TaskQueue()
  private(set) var unfinished: Int

  init(_ work: ExchangeWork) {
    self.work = work
    unfinished = work.finalTaskCount
    for expert in work.taskExperts { missing[expert, default: 0] += 1 }
    for (task, expert) in work.finalExperts.enumerated() {
      ranges[expert] = (ranges[expert]?.lowerBound ?? task)..<task + 1
    }
    for (task, expert) in work.finalExperts.enumerated() where missing[expert] == nil { append(task, of: expert) }
  }

  mutating func noteComputed(expert: Int32) {
    guard let count = missing[expert] else { return }
    missing[expert] = count - 1
    if count == 1 { for task in ranges[expert] ?? 0..<0 { append(task, of: expert) } }
  }

  mutating func noteFinalized(_ tasks: [Int]) { unfinished -= tasks.count }

  mutating func take(_ count: Int) -> ScheduleAction? {
    takeTravelling(count) ?? (others.isEmpty ? nil : .finalize(others.take(count)))
  }

  /// Only those that others wait for.
  mutating func takeTravelling(_ count: Int) -> ScheduleAction? {
    travelling.isEmpty ? nil : .finalize(travelling.take(count))
  }

  private mutating func append(_ task: Int, of expert: Int32) {
    if work.travels(expert) { travelling.append(task) } else { others.append(task) }
  }
}
