import Glibc

/// Seconds of the monotonic clock, the same for all processes of a machine.
package func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// Stops the thread for a while.
package func sleep(for duration: Duration) {
  let (seconds, attoseconds) = duration.components
  usleep(UInt32(seconds * 1_000_000 + attoseconds / 1_000_000_000_000))
}

/// Ends the process at once, as a program does that calls `exit` where it should not.
package func leaveProcess(_ exitCode: Int32) -> Never { _exit(exitCode) }
