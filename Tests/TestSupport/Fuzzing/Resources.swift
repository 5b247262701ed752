import Foundation

/// The processor's time, which does not pass while others run.
enum ProcessorTime {
  static var ofThread: Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }
}

/// The most memory that the process has had, against what it had when this was made.
struct PeakMemory {
  /// Inputs are small; what is beyond this was made by a parser.
  private static let limit = 64 << 20

  private let start = Self.now

  private static var now: Int {
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss << 10
  }

  /// How much more than allowed it is; nil if it is not.
  func excess() -> Int? {
    let grown = Self.now - start
    return grown > Self.limit ? grown : nil
  }
}
