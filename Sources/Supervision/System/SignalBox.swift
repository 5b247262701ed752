import Glibc

/// Signals that a supervising process waits for instead of suffering.
package struct SignalBox {
  private var set = sigset_t()

  /// Holds the signals back from here on, in this thread and all that it starts.
  package init(_ signals: [Int32]) {
    unsafe sigemptyset(&set)
    for number in signals { unsafe sigaddset(&set, number) }
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  /// The next signal, if one comes within the time.
  package func next(within milliseconds: Int) -> Int32? {
    var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
    var set = set
    let number = unsafe sigtimedwait(&set, nil, &time)
    return number > 0 ? number : nil
  }
}
