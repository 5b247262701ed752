/// The final tasks: those of an expert can run when its row tasks are done.
struct FinalTasks: Sendable {
  /// Row tasks of each expert that are not done.
  private var missing: [Int32: Int32] = [:]
  /// Where each expert's final tasks begin and end.
  private var ranges: [Int32: Range<Int>] = [:]
  private var ready = TaskQueue()
  private(set) var unfinished: Int

  init(_ work: ExchangeWork) {
    unfinished = work.finalTaskCount
    for expert in work.taskExperts { missing[expert, default: 0] += 1 }
    for (task, expert) in work.finalExperts.enumerated() {
      ranges[expert] = (ranges[expert]?.lowerBound ?? task)..<task + 1
    }
    for (task, expert) in work.finalExperts.enumerated() where missing[expert] == nil { ready.append(task) }
  }

  mutating func noteComputed(expert: Int32) {
    guard let count = missing[expert] else { return }
    missing[expert] = count - 1
    if count == 1 { for task in ranges[expert] ?? 0..<0 { ready.append(task) } }
  }

  mutating func noteFinalized(_ tasks: [Int]) { unfinished -= tasks.count }

  mutating func take(_ count: Int) -> ScheduleAction? {
    ready.isEmpty ? nil : .finalize(ready.take(count))
  }
}
