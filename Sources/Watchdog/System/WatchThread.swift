import Glibc

/// A thread that takes no signals: those of the process go to its own thread.
package struct WatchThread: @unchecked Sendable {
  private let thread: pthread_t

  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  package init(_ run: @escaping @Sendable () -> Void) {
    var (all, before) = (sigset_t(), sigset_t())
    unsafe sigfillset(&all)
    unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
    defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    let body = unsafe Unmanaged.passRetained(Body(run)).toOpaque()
    let status = unsafe pthread_create(
      &thread, nil,
      { argument in
        if let argument = unsafe argument { unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
      }, body)
    precondition(status == 0, "cannot start a thread: error \(status)")
    self.thread = thread
  }

  package func join() { _ = pthread_join(thread, nil) }
}

/// Ends the process where nothing else may run any more.
func leaveAtOnce(_ exitCode: Int32) -> Never { _exit(exitCode) }

/// Writes to standard error in one call, so that lines of several processes do not mix.
func writeError(_ text: String) {
  let bytes = Array(text.utf8)
  unsafe _ = write(STDERR_FILENO, bytes, bytes.count)
}

/// Asks the launcher, over its own connection to this process, to end the job with an exit code.
///
/// MPI cannot be asked: its own thread may be stuck in it.
func askLauncherToEnd(_ descriptor: Int32, exitCode: Int32) {
  let bytes = Array("cmd=abort exitcode=\(exitCode)\n".utf8)
  unsafe _ = write(descriptor, bytes, bytes.count)
}

/// What wakes a watching thread that sleeps in `poll`.
package struct Bell: Sendable {
  /// Can be waited for like a socket.
  package let ear: Socket
  private let cord: Int32

  package init() {
    let ends = makePipe()
    for end in [ends.read, ends.write] { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
    ear = Socket(descriptor: ends.read)
    cord = ends.write
  }

  package func ring() {
    var byte: UInt8 = 1
    unsafe _ = write(cord, &byte, 1)
  }

  package func hush() {
    var bytes = [UInt8](repeating: 0, count: 16)
    unsafe _ = read(ear.descriptor, &bytes, bytes.count)
  }
}

/// A pipe that programs which are started do not inherit.
func makePipe() -> (read: Int32, write: Int32) {
  var ends: [Int32] = [-1, -1]
  precondition(unsafe pipe(&ends) == 0, "cannot make a pipe")
  for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  return (ends[0], ends[1])
}

/// Bytes that nobody can guess.
func randomBytes(_ count: Int) -> [UInt8] {
  var generator = SystemRandomNumberGenerator()
  return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
}
