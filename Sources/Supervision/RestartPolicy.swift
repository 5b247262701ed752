/// Whether a job that has ended is started again. A value: what happened comes in, what to do goes out.
package struct RestartPolicy: Sendable {
  /// How one attempt ended.
  package struct End: Hashable, Sendable {
    package var status: ChildProcess.Status
    /// The step that it failed in; nil before the first.
    package var step: Int?
    /// The step of the newest complete checkpoint; nil if there is none.
    package var savedStep: Int?

    package init(_ status: ChildProcess.Status, step: Int?, savedStep: Int?) {
      self.status = status
      self.step = step
      self.savedStep = savedStep
    }
  }

  package enum Decision: Hashable, Sendable {
    case restart(after: Duration)
    case stop(exitCode: Int32, reason: String)
  }

  /// Exit codes that say what another attempt would say again.
  private static let lasting: Set<Int32> = [64, 65, 66, 68, 69, 73, 77, 78]
  /// The exit code of a job that was asked to stop.
  package static let stopped: Int32 = 79
  /// As many failures of the same step are no accident.
  private static let mostFailuresOfAStep = 3
  package static let longestPause = Duration.seconds(60)

  package let mostRestarts: Int
  private let firstPause: Duration
  private var pause: Duration
  private var last: End?
  private var failuresOfStep = 0
  /// How often the job was started again.
  package private(set) var restarts = 0

  package init(mostRestarts: Int, firstPause: Duration) {
    self.mostRestarts = mostRestarts
    self.firstPause = firstPause
    pause = firstPause
  }

  package mutating func decide(_ end: End) -> Decision {
    let exitCode = end.status.exitCode
    if exitCode == 0 { return .stop(exitCode: 0, reason: "the job is done") }
    if exitCode == Self.stopped { return .stop(exitCode: exitCode, reason: "it was asked to stop") }
    if case .exited(let code) = end.status, Self.lasting.contains(code) {
      return .stop(exitCode: code, reason: "exit code \(code) would come again")
    }
    let isSameStep = last.map { $0.step == end.step } ?? false
    failuresOfStep = isSameStep ? failuresOfStep + 1 : 1
    if failuresOfStep >= Self.mostFailuresOfAStep {
      let place = end.step.map { "at step \($0)" } ?? "before the first step"
      return .stop(exitCode: exitCode, reason: "no progress \(place): it failed there \(failuresOfStep) times in a row")
    }
    guard restarts < mostRestarts else {
      return .stop(exitCode: exitCode, reason: "it was started again \(restarts) times, which is --max-restarts")
    }
    let hasSaved = (end.savedStep ?? 0) > (last?.savedStep ?? 0)
    pause = last == nil || hasSaved ? firstPause : min(Self.longestPause, pause * 2)
    last = end
    restarts += 1
    return .restart(after: pause)
  }
}

extension ChildProcess.Status {
  /// As a shell gives it.
  package var exitCode: Int32 {
    switch self {
    case .exited(let code): code
    case .killed(let signal): 128 + signal
    }
  }
}

extension ChildProcess.Status: CustomStringConvertible {
  package var description: String {
    switch self {
    case .exited(let code): "exit code \(code)"
    case .killed(let signal): "signal \(signal)"
    }
  }
}
