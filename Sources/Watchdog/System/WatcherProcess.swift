import Glibc

/// Starts the process that watches a job. It belongs to nobody's group and holds nothing of rank 0's but its standard output
/// and error, so the launcher, which ends all ranks when it loses one, does not end it.
enum WatcherProcess {
  /// The files that it finds open.
  static let listener: Int32 = 3
  static let lifeline: Int32 = 4
  private static let others: ClosedRange<Int32> = 5...1023
  private static let aside: Int32 = 100

  /// Closes what it has inherited besides: the launcher takes rank 0 for gone when nobody holds its connection.
  static func closeOthers() { for descriptor in others { close(descriptor) } }

  /// Lets go of standard output and then, when the process ends, of standard error, each a moment after what came before.
  ///
  /// Hydra asks how ranks ended whenever an output of theirs closes. Of those that it still has to ask after the last one
  /// it forgets the exit code if it had a signal to pass on: a job that stops on request would end with 0.
  static func letGoSlowly() {
    usleep(moment)
    close(STDOUT_FILENO)
    usleep(moment)
  }

  /// In microseconds: longer than a process takes from closing its files to its end.
  private static let moment: UInt32 = 20_000

  /// Starts this program with other arguments; false where that is impossible.
  static func start(_ arguments: [String], environment: [String: String], listener: Socket, lifeline: Int32) -> Bool {
    let (high, higher) = (
      fcntl(listener.descriptor, F_DUPFD_CLOEXEC, aside), fcntl(lifeline, F_DUPFD_CLOEXEC, aside)
    )
    defer {
      close(high)
      close(higher)
    }
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, high, Self.listener)
    unsafe posix_spawn_file_actions_adddup2(&actions, higher, Self.lifeline)
    var processID: pid_t = 0
    let status = unsafe withCStrings(["moe-worker"] + arguments) { arguments in
      unsafe withCStrings(environment.map { "\($0)=\($1)" }) { environment in
        unsafe posix_spawn(&processID, "/proc/self/exe", &actions, &attributes, arguments, environment)
      }
    }
    return status == 0
  }

  /// A null-terminated array of C strings, as long as `body` runs.
  private static func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    var pointers = unsafe strings.map { unsafe strdup($0) } + [nil]
    defer { unsafe pointers.forEach { unsafe free($0) } }
    return unsafe pointers.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { preconditionFailure("an array of at least one element is empty") }
      return unsafe body(base)
    }
  }
}

/// Ends a process of this host.
func endProcess(_ processID: Int) { kill(pid_t(processID), SIGKILL) }

/// Whether the other end of a pipe is still held after a while.
func isHeld(_ pipe: Socket, milliseconds: Int32 = 0) -> Bool {
  var query = pollfd(fd: pipe.descriptor, events: Int16(POLLIN), revents: 0)
  return unsafe poll(&query, 1, milliseconds) == 0
}
