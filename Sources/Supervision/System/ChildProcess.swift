import Glibc

/// A program in a process group of its own, so that a signal from the terminal reaches only the one that supervises it. The
/// file holds the system calls that have no safe form.
package struct ChildProcess {
  /// How it ended.
  package enum Status: Hashable, Sendable {
    case exited(Int32)
    case killed(signal: Int32)

    /// From `waitpid`'s word: the low seven bits are the signal, the next byte the exit code.
    fileprivate init(_ word: Int32) {
      self = word & 0x7f == 0 ? .exited((word >> 8) & 0xff) : .killed(signal: word & 0x7f)
    }
  }

  private let processID: pid_t

  /// Starts a program of the path. It reads nothing, and prints where this process does.
  ///
  /// - Throws: the system's reason.
  package init(_ command: [String], environment: [String: String]) throws(StartError) {
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var (none, all) = (sigset_t(), sigset_t())
    unsafe sigemptyset(&none)
    unsafe sigfillset(&all)
    unsafe posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    unsafe posix_spawnattr_setpgroup(&attributes, 0)
    unsafe posix_spawnattr_setsigmask(&attributes, &none)
    unsafe posix_spawnattr_setsigdefault(&attributes, &all)
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    var processID: pid_t = 0
    let program = command.first ?? ""
    let code = unsafe Self.withCStrings(command) { arguments in
      unsafe Self.withCStrings(environment.map { "\($0)=\($1)" }) { environment in
        unsafe posix_spawnp(&processID, program, &actions, &attributes, arguments, environment)
      }
    }
    guard code == 0 else { throw StartError(program: program, code: code) }
    self.processID = processID
  }

  /// Its end, if it has come.
  package func status() -> Status? {
    var word: Int32 = 0
    return unsafe waitpid(processID, &word, WNOHANG) == processID ? Status(word) : nil
  }

  /// Sends a signal to the program itself; `mpirun` passes it on to its ranks.
  package func send(_ signal: Int32) { kill(processID, signal) }

  /// Ends the program and whatever it has started in its group.
  package func killGroup() { kill(-processID, SIGKILL) }

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

/// A program that cannot be started.
package struct StartError: Error, CustomStringConvertible {
  package let program: String
  let code: Int32
  package var description: String { "\(program): \(unsafe String(cString: strerror(code)))" }
}
