import CMPI
import Glibc
import Synchronization

/// A thread that lets MPI move messages while the rank computes: instead of pokes between tasks, where a core is to spare.
///
/// It never touches a request: it only enters MPI, which then moves whatever can move. MPI is initialised for one caller
/// at a time (`MPI_THREAD_SERIALIZED`), so while the thread lives every call of the rank holds a lock.
package final class ProgressThread: Sendable {
  /// Between two looks. 50 µs of sleep cost a neighbour almost nothing and a link of 1 Gbit/s 6 KB.
  private static let nap: UInt32 = 50

  private final class State: Sendable {
    let isStopped = Atomic<Bool>(false)
    let hasEnded = Atomic<Bool>(false)
  }

  private let state = State()

  init(_ communicator: MPI_Comm, lock: CallLock) {
    let state = state
    RankThread.startDetached {
      while !state.isStopped.load(ordering: .acquiring) {
        lock.lock()
        var found: Int32 = 0
        // An error will show in the rank's own next call.
        _ = MPI_Iprobe(switchyard_any_source, switchyard_any_tag, communicator, &found, nil)
        lock.unlock()
        usleep(Self.nap)
      }
      state.hasEnded.store(true, ordering: .releasing)
    }
  }

  /// Returns when the thread has left MPI for good.
  func stop() {
    state.isStopped.store(true, ordering: .releasing)
    while !state.hasEnded.load(ordering: .acquiring) { sched_yield() }
  }
}

/// What makes callers of MPI take turns.
final class CallLock: Sendable {
  private let isHeld = Atomic<Bool>(false)

  func lock() {
    // Held for microseconds: giving the core away is enough.
    while isHeld.exchange(true, ordering: .acquiring) { sched_yield() }
  }

  func unlock() { isHeld.store(false, ordering: .releasing) }
}
