import Kernels
import Synchronization
import Testing

@Suite struct WorkerPoolTests {
  @Test(arguments: 1...4) func everyTaskRunsOnce(threadCount: Int) {
    let pool = WorkerPool(threadCount: threadCount)
    for count in [0, 1, 2, 3, 10, 1000] {
      let runs = Counters(count)
      pool.run(count) { task, _ in runs.increment(task) }
      #expect(runs.values == Array(repeating: 1, count: count))
    }
  }

  /// Most runs are over before a sleeping thread has woken: the hard case for the hand-over.
  @Test func tenThousandSmallRunsEnd() {
    let pool = WorkerPool(threadCount: 3)
    let runs = Counters(7)
    var expected = Array(repeating: 0, count: 7)
    for run in 0..<10_000 {
      let count = run % 8
      pool.run(count) { task, _ in runs.increment(task) }
      for task in 0..<count { expected[task] += 1 }
      // All tasks of a run are over when it returns.
      if run % 100 == 0 { #expect(runs.values == expected) }
    }
    #expect(runs.values == expected)
  }

  @Test(arguments: [1, 2, 3]) func whatTasksWroteIsThereWhenTheRunReturns(threadCount: Int) {
    let pool = WorkerPool(threadCount: threadCount)
    for run in 1...200 {
      let values = Mutex(Array(repeating: 0, count: 64))
      pool.run(64) { task, _ in values.withLock { $0[task] = task * run } }
      #expect(values.withLock { $0 } == (0..<64).map { $0 * run })
    }
  }

  @Test(arguments: [1, 3]) func tasksOfOneThreadShareNoScratchWithOthers(threadCount: Int) {
    let pool = WorkerPool(threadCount: threadCount)
    let mistakes = Counters(1)
    pool.run(300) { task, lane in
      let (size, marks) = (100 + task, [lane.scratch(100 + task), lane.scratch(100 + task, slot: 1)])
      for (slot, area) in marks.enumerated() {
        for index in 0..<size { area[index] = Float(task * 2 + slot) }
      }
      for (slot, area) in marks.enumerated() {
        for index in 0..<size where area[index] != Float(task * 2 + slot) { mistakes.increment(0) }
      }
    }
    #expect(mistakes.values == [0])
  }

  @Test(arguments: [1, 2, 3]) func theOwnerIsCalledBetweenItsTasks(threadCount: Int) {
    let pool = WorkerPool(threadCount: threadCount)
    let calls = Counters(1)
    pool.betweenTasks = { calls.increment(0) }
    for _ in 0..<50 { pool.run(20) { _, _ in } }
    #expect(calls.values[0] > 0)
    if threadCount == 1 { #expect(calls.values[0] == 1000) }
  }

  @Test func poolsComeAndGo() {
    for round in 0..<100 {
      let pool = WorkerPool(threadCount: 1 + round % 3)
      let runs = Counters(5)
      if round % 2 == 0 { pool.run(5) { task, _ in runs.increment(task) } }
      #expect(runs.values == Array(repeating: round % 2 == 0 ? 1 : 0, count: 5))
    }
  }
}

/// Counters that several threads may increment.
private final class Counters: Sendable {
  private let counts: Mutex<[Int]>

  init(_ count: Int) { counts = Mutex(Array(repeating: 0, count: count)) }

  func increment(_ index: Int) { counts.withLock { $0[index] += 1 } }
  var values: [Int] { counts.withLock { $0 } }
}
