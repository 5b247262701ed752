import Checkpoints
import Communication
import Foundation
import Glibc
import Supervision
import Watchdog

/// Runs a job until it ends well, was asked to stop, or cannot be helped.
struct Supervisor {
  /// Tells a job how often it was started, from 1.
  static let attemptVariable = "SWITCHYARD_ATTEMPT"

  private var command: LaunchCommand
  private var policy: RestartPolicy
  private let signals = SignalBox([SIGTERM, SIGINT, SIGUSR1, SIGHUP, SIGCHLD])
  private var attempt = 0
  private var interruptions = 0
  private var isStopWanted = false
  /// Whether later attempts go on with what is in the output: it is this command's own.
  private let mayResume: Bool

  init(_ command: LaunchCommand, _ policy: RestartPolicy) {
    self.command = command
    self.policy = policy
    // What was there before, the command must be told to go on with: it may be another run's.
    let present = command.output.flatMap { try? FileManager.default.contentsOfDirectory(atPath: $0) } ?? []
    mayResume = command.resumes || present.isEmpty
  }

  /// Returns the exit code of the last attempt.
  mutating func run() throws(Refusal) -> Int32 {
    while true {
      attempt += 1
      let start = ContinuousClock.now
      let end = try runOnce()
      switch policy.decide(end) {
      case .stop(let exitCode, let reason):
        // A job that was never to be started again has said itself how it ended.
        guard attempt > 1 || policy.mostRestarts > 0 else { return exitCode }
        say(
          "attempt \(attempt) ended after \(Self.seconds(since: start)) with \(end.status)\(place(of: end)); \(reason)")
        return exitCode
      case .restart(let pause):
        guard !isStopWanted else { return end.status.exitCode }
        let origin = end.savedStep.map { "from step \($0)" } ?? "from the beginning"
        say(
          "attempt \(attempt) ended after \(Self.seconds(since: start)) with \(end.status)\(place(of: end)); "
            + "going on \(origin) in \(Self.text(pause))")
        if mayResume { command.resume() }
        sleep(pause)
        leaveOutSilentHosts()
        guard !isStopWanted else {
          say("asked to stop while nothing ran: not started again")
          return RestartPolicy.stopped
        }
      }
    }
  }

  private mutating func runOnce() throws(Refusal) -> RestartPolicy.End {
    var environment = ProcessInfo.processInfo.environment
    environment[Self.attemptVariable] = "\(attempt)"
    let child: ChildProcess
    do throws(StartError) { child = try ChildProcess(command.words, environment: environment) } catch {
      throw Refusal(.missingInput, "cannot start \(error)")
    }
    let status = wait(for: child)
    let records = command.output.flatMap { try? RunRecords(of: $0) }
    if status != .exited(0), let records, !records.isReported, let report = records.report, report.cause.rank != nil {
      Console.complain(block: report.description)
    }
    return RestartPolicy.End(status, step: records?.report?.step, savedStep: savedStep)
  }

  /// Passes signals on until the job has ended.
  private mutating func wait(for child: ChildProcess) -> ChildProcess.Status {
    var isDoomed = false
    while true {
      if let status = child.status() { return status }
      if isDoomed { child.killGroup() }
      switch signals.next(within: isDoomed ? Self.grace : 1000) {
      case nil, SIGCHLD: break
      case SIGHUP?, SIGTERM?:
        isStopWanted = true
        child.send(SIGTERM)
      case let number?:
        isStopWanted = true
        if number == SIGINT { interruptions += 1 }
        // The launcher ends its ranks when it is interrupted twice.
        child.send(number)
        isDoomed = interruptions > 1
      }
    }
  }

  private static let grace = 3000

  /// Waits for the next attempt, or until none is wanted any more.
  private mutating func sleep(_ pause: Duration) {
    let deadline = ContinuousClock.now + pause
    while ContinuousClock.now < deadline, !isStopWanted {
      let left = (deadline - ContinuousClock.now) / .milliseconds(1)
      hearSignal(within: max(1, Int(left)))
    }
  }

  /// While no attempt runs there is nobody to pass a signal on to.
  private mutating func hearSignal(within milliseconds: Int) {
    if let number = signals.next(within: milliseconds), number != SIGCHLD { isStopWanted = true }
  }

  private var savedStep: Int? {
    command.output.flatMap { try? RunDirectory($0).newestCheckpoint() }?.step
  }

  // MARK: Hosts

  /// How long a host may take to answer.
  private static let answer = Duration.seconds(15)

  private mutating func leaveOutSilentHosts() {
    let hosts = command.hosts
    guard hosts.count > 1 else { return }
    var answering: [String] = []
    for host in hosts where !isStopWanted && answers(host) { answering.append(host) }
    guard !isStopWanted else { return }
    guard !answering.isEmpty, answering.count < hosts.count else { return }
    say("going on without \(hosts.filter { !answering.contains($0) }.joined(separator: ", ")), which does not answer")
    command.use(hosts: answering)
  }

  private mutating func answers(_ host: String) -> Bool {
    guard let child = try? ChildProcess(command.probe(of: host), environment: ProcessInfo.processInfo.environment)
    else {
      return false
    }
    let deadline = ContinuousClock.now + Self.answer
    while ContinuousClock.now < deadline, !isStopWanted {
      if let status = child.status() { return status == .exited(0) }
      hearSignal(within: 100)
    }
    child.killGroup()
    while child.status() == nil { hearSignal(within: 10) }
    return false
  }

  // MARK: Words

  private func say(_ text: String) { Console.complain("supervise: \(text)") }

  private func place(of end: RestartPolicy.End) -> String { end.step.map { " in step \($0)" } ?? "" }

  private static func seconds(since start: ContinuousClock.Instant) -> String { text(start.duration(to: .now)) }

  private static func text(_ duration: Duration) -> String { String(format: "%.1f s", duration / .seconds(1)) }
}
