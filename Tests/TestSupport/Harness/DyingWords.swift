import Glibc

/// Lets a process that dies from a signal say so in its report file.
///
/// A handler may only call `write` and `signal`, so the lines are made beforehand.
enum DyingWords {
  private static let signals = [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV]

  // Read by the signal handler, which can reach nothing but globals; written once, before any handler is installed.
  nonisolated(unsafe) private static var descriptor: Int32 = -1
  nonisolated(unsafe) private static var lines: UnsafeMutablePointer<UnsafeMutableBufferPointer<UInt8>>?

  static func install(descriptor: Int32) {
    self.descriptor = descriptor
    let largest = Int(signals.max() ?? 0)
    let lines = UnsafeMutablePointer<UnsafeMutableBufferPointer<UInt8>>.allocate(capacity: largest + 1)
    for number in signals {
      let line = RankFileRecorder.line(.signal(number: number))
      let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: line.count)
      _ = copy.initialize(from: line)
      (lines + Int(number)).initialize(to: copy)
    }
    self.lines = lines
    for number in signals { signal(number, speak) }
  }

  private static let speak: @convention(c) (Int32) -> Void = { number in
    if let line = lines?[Int(number)] { _ = write(descriptor, line.baseAddress, line.count) }
    signal(number, SIG_DFL)
    raise(number)
  }
}
