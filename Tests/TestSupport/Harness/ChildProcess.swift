import Glibc

/// A program started in a process group of its own, so that it can be ended with all that it has started.
struct ChildProcess {
  /// How it ended.
  enum Status: Hashable, CustomStringConvertible {
    case exited(Int32)
    case killed(signal: Int32)

    /// From `waitpid`'s word: the low seven bits are the signal, the next byte the exit code.
    init(_ word: Int32) {
      self = word & 0x7f == 0 ? .exited((word >> 8) & 0xff) : .killed(signal: word & 0x7f)
    }

    var description: String {
      switch self {
      case .exited(let code): "ended with exit code \(code)"
      case .killed(let signal): "was killed by signal \(signal)"
      }
    }
  }

  struct StartError: Error, CustomStringConvertible {
    let program: String
    let code: Int32
    var description: String { "\(program): \(String(cString: strerror(code)))" }
  }

  private let processID: pid_t

  /// Starts the first of the programs that is on the path. It reads nothing, and what it prints goes to a file.
  init(
    firstFoundOf programs: [String], arguments: [String], environment: [String: String], output: String
  ) throws(StartError) {
    var code = ENOENT
    for program in programs {
      var processID: pid_t = 0
      code = Self.spawn(&processID, program, arguments, environment, output: output)
      if code == 0 {
        self.processID = processID
        return
      }
    }
    throw StartError(program: programs.joined(separator: ", "), code: code)
  }

  /// Waits for its end, but no longer than this.
  ///
  /// - Returns: nil when it is still running.
  func wait(for limit: Duration) -> Status? {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    repeat {
      var word: Int32 = 0
      if waitpid(processID, &word, WNOHANG) == processID { return Status(word) }
      sleep(for: .milliseconds(5))
    } while clock.now < deadline
    return nil
  }

  /// Ends the group, first politely: `mpirun` then ends its ranks, and a script takes down what it has made.
  func killGroup() {
    kill(-processID, SIGTERM)
    if wait(for: .seconds(5)) == nil {
      kill(-processID, SIGKILL)
      _ = wait(for: .seconds(1))
    }
  }

  /// Ends a process that this one has started in a group of its own, if it is still there.
  func killLeftover(_ processID: pid_t) { kill(processID, SIGKILL) }

  private static func spawn(
    _ processID: inout pid_t, _ program: String, _ arguments: [String], _ environment: [String: String], output: String
  ) -> Int32 {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    posix_spawnattr_setpgroup(&attributes, 0)
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
    return withCStrings([program] + arguments) { arguments in
      withCStrings(environment.map { "\($0)=\($1)" }) { environment in
        posix_spawnp(&processID, program, &actions, &attributes, arguments, environment)
      }
    }
  }

  /// A null-terminated array of C strings, as long as `body` runs.
  private static func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    var pointers = strings.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { preconditionFailure("an array of at least one element is empty") }
      return body(base)
    }
  }
}
