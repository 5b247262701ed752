import Glibc
import Synchronization

/// The wish to stop, as a signal brings it: `SIGTERM`, `SIGUSR1` or `SIGINT`. A second `SIGINT` ends the process at once.
package enum StopSignals {
  // A signal handler can reach nothing but globals.
  private static let wishes = Atomic<Int>(0)
  private static let interruptions = Atomic<Int>(0)

  /// The exit code of a process that was interrupted, as shells give it.
  private static let interrupted: Int32 = 128 + SIGINT

  /// Takes the signals from here on, on the calling thread: others that compute must block them.
  package static func listen() {
    SignalStack.provide()
    // Made before a handler needs it.
    _ = wishes.load(ordering: .relaxed) + interruptions.load(ordering: .relaxed)
    for number in [SIGTERM, SIGUSR1, SIGINT] {
      var action = sigaction()
      action.__sigaction_handler.sa_handler = note
      action.sa_flags = SA_RESTART | SA_ONSTACK
      sigaction(number, &action, nil)
    }
  }

  /// Whether somebody wishes this process to stop.
  package static var isStopWanted: Bool { wishes.load(ordering: .relaxed) > 0 }

  private static let note: @convention(c) (Int32) -> Void = { number in
    StopSignals.wishes.wrappingAdd(1, ordering: .relaxed)
    guard number == SIGINT else { return }
    if StopSignals.interruptions.wrappingAdd(1, ordering: .relaxed).oldValue > 0 { _exit(StopSignals.interrupted) }
  }
}
