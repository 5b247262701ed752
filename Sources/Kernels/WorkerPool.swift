import COneDNN
import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// The threads of one rank: the caller's own and `threadCount - 1` others that wait for work.
///
/// Work is cut into tasks whose number and extent are a function of shapes alone, never of the thread count; threads
/// claim tasks as they become free. A task writes only what no other task touches, so results are the same at any
/// thread count. One thread owns a pool.
package final class WorkerPool {
  package let threadCount: Int

  /// Called on the owner's thread after each of its tasks, and while it waits for others: pokes messages in flight.
  package var betweenTasks: (() -> Void)? {
    didSet { lanes[0].betweenTasks = betweenTasks }
  }

  /// Called on the owner's thread after each of its tasks: it moves. Unlike `betweenTasks` it stays for the pool's life.
  package var afterTask: (() -> Void)?

  private let lanes: [Lane]
  private let crew: Crew?

  package init(threadCount: Int) {
    precondition(threadCount > 0, "a pool of \(threadCount) threads")
    self.threadCount = threadCount
    lanes = (0..<threadCount).map { _ in Lane() }
    crew = threadCount > 1 ? Crew(lanes: Array(lanes.dropFirst())) : nil
    omp_set_num_threads(1)
  }

  deinit { crew?.dismiss() }

  /// Runs `body` once for every task in `0 ..< count` and returns when all are done.
  package func run(_ count: Int, _ body: (_ task: Int, _ lane: Lane) -> Void) {
    guard let crew, count > 1 else {
      for task in 0..<count {
        body(task, lanes[0])
        afterTask?()
        betweenTasks?()
      }
      return
    }
    withoutActuallyEscaping(body) { body in
      crew.open(Job(count: count, body: body))
      while let task = crew.claim() {
        body(task, lanes[0])
        afterTask?()
        betweenTasks?()
      }
      while !crew.close() {
        betweenTasks?()
        sched_yield()
      }
    }
  }
}

/// The tasks of one `run`.
private struct Job {
  let count: Int
  let body: (Int, Lane) -> Void
}

/// The other threads of a pool and what they share with its owner.
///
/// A job is open between `open` and the first successful `close`. A thread that wakes late finds it closed and goes back
/// to waiting, so the owner never waits for a thread that has nothing to do.
private final class Crew: @unchecked Sendable {
  private static let closed = -1
  private static let spins = 300

  /// Threads inside the open job; `closed` when there is none.
  private let inside = Atomic<Int>(closed)
  private let next = Atomic<Int>(0)
  private let generation = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let isDismissed = Atomic<Bool>(false)
  // Written by the owner while the job is closed, read by threads that are inside: ordered by `inside`.
  private var job = Job(count: 0) { _, _ in }
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var threads: [pthread_t] = []

  init(lanes: [Lane]) {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
    threads = lanes.map { lane in startThread { [self] in work(on: lane) } }
  }

  /// Ends the threads. Must be called before the last reference goes: each thread holds one.
  func dismiss() {
    isDismissed.store(true, ordering: .sequentiallyConsistent)
    announce()
    for thread in threads { pthread_join(thread, nil) }
    threads = []
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func open(_ job: Job) {
    precondition(inside.load(ordering: .relaxed) == Self.closed, "a task started tasks of its own")
    self.job = job
    next.store(0, ordering: .relaxed)
    inside.store(0, ordering: .releasing)
    announce()
  }

  /// The next task that nobody has taken.
  func claim() -> Int? {
    let task = next.wrappingAdd(1, ordering: .relaxed).oldValue
    return task < job.count ? task : nil
  }

  /// True when no other thread is inside any more; the job is then closed.
  func close() -> Bool {
    guard inside.compareExchange(expected: 0, desired: Self.closed, ordering: .acquiringAndReleasing).exchanged else {
      return false
    }
    // The body belongs to the caller of `run` and must not outlive it.
    job = Job(count: 0) { _, _ in }
    return true
  }

  private func announce() {
    generation.wrappingAdd(1, ordering: .sequentiallyConsistent)
    guard sleepers.load(ordering: .sequentiallyConsistent) > 0 else { return }
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }

  private func work(on lane: Lane) {
    omp_set_num_threads(1)
    var seen = 0
    while true {
      seen = awaitGeneration(after: seen)
      if isDismissed.load(ordering: .sequentiallyConsistent) { return }
      guard enter() else { continue }
      while let task = claim() { job.body(task, lane) }
      inside.wrappingSubtract(1, ordering: .releasing)
    }
  }

  private func enter() -> Bool {
    var count = inside.load(ordering: .acquiring)
    while count != Self.closed {
      let (exchanged, original) = inside.compareExchange(
        expected: count, desired: count + 1, ordering: .acquiringAndReleasing)
      if exchanged { return true }
      count = original
    }
    return false
  }

  /// Looks for a while, then sleeps, until there is a newer generation than `seen`; returns it.
  private func awaitGeneration(after seen: Int) -> Int {
    for _ in 0..<Self.spins {
      let current = generation.load(ordering: .acquiring)
      if current != seen { return current }
      sched_yield()
    }
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
    defer { sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent) }
    while true {
      let current = generation.load(ordering: .sequentiallyConsistent)
      if current != seen { return current }
      pthread_cond_wait(condition, mutex)
    }
  }
}

private final class ThreadBody {
  let run: () -> Void
  init(_ run: @escaping () -> Void) { self.run = run }
}

/// The thread takes no signals but those of its own faults: matmul kernels use the stack pointer for data, and a handler
/// would write there (see `FlightRecorder`'s `SignalStack`).
private func startThread(_ run: @escaping () -> Void) -> pthread_t {
  var (blocked, before) = (sigset_t(), sigset_t())
  sigfillset(&blocked)
  for fault in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV] { sigdelset(&blocked, fault) }
  pthread_sigmask(SIG_BLOCK, &blocked, &before)
  defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
  let argument = Unmanaged.passRetained(ThreadBody(run)).toOpaque()
  var thread = pthread_t()
  let status = pthread_create(
    &thread, nil,
    { argument in
      if let argument { Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run() }
      return nil
    }, argument)
  precondition(status == 0, "pthread_create failed with \(status)")
  return thread
}
