import ArgumentParser
package import Communication
import Foundation
import Logging
import Topology

/// One process's life: join the other ranks, understand the arguments, work, say how it ended, leave.
package enum Job {
  /// Leaves with the same exit code on every rank.
  static func run(arguments: [String]) -> Never {
    let environment: MPIEnvironment
    do {
      environment = try MPIEnvironment(processManager: Launch.processManager)
    } catch {
      Console.complain(error.refusal.message)
      exit(error.refusal.kind.rawValue)
    }
    let console = Console(isSpeaker: environment.world.rank.index == 0)
    let watch = JobWatch(environment.world)
    let log = RunLog(watch.recorder)
    do {
      try perform(arguments, environment.world, console, watch, log)
      write(.info, "ended", exitCode: 0, to: log)
      end(environment, watch, exitCode: 0)
    } catch let refusal as Refusal where !environment.world.job.hasFailed {
      console.refuse(refusal)
      write(refusal.kind == .stopped ? .notice : .error, refusal.message, exitCode: refusal.kind.rawValue, to: log)
      end(environment, watch, exitCode: refusal.kind.rawValue, saying: refusal.message)
    } catch {
      // Only this rank may know of it, and the others cannot be asked any more: it speaks for itself, and leaves.
      let refusal = Refusal(error)
      Console.complain(refusal.message)
      write(.error, refusal.message, exitCode: refusal.kind.rawValue, to: log)
      watch.fail(refusal)
      environment.abandon(exitCode: refusal.kind.rawValue)
    }
  }

  /// How the job ends, in the log alone: the terminal has other words for it.
  private static func write(_ level: Logger.Level, _ message: String, exitCode: Int32, to log: RunLog) {
    log.logger.log(level: level, "\(message)", metadata: ["exit_code": .stringConvertible(Int(exitCode))])
  }

  /// Leaves together with the others.
  private static func end(
    _ environment: MPIEnvironment, _ watch: JobWatch, exitCode: Int32, saying text: String = ""
  ) -> Never {
    environment.farewell = { error in
      if let error { watch.fail(error.refusal) } else { watch.leave(exitCode: exitCode, saying: text) }
    }
    environment.end(exitCode: exitCode)
  }

  private static func perform(
    _ arguments: [String], _ world: any Communicator, _ console: Console, _ watch: JobWatch, _ log: RunLog
  ) throws {
    let (rank, rankCount) = (world.rank, world.size)
    LoggingSystem.bootstrap { label in
      guard console.isSpeaker else { return RunLogHandler(log) }
      return MultiplexLogHandler([
        StandardErrorLogHandler(label: label, rank: rank, rankCount: rankCount), RunLogHandler(log),
      ])
    }
    try Launch.check(arguments, over: world)
    try watch.start(over: world)
    world.job.expect(try world.agree { try Launch.failPoints(of: rank) }) { fault in
      Console.complain("fail point at \(Int64(Date().timeIntervalSince1970 * 1000)) ms: \(fault)")
    }
    switch try parse(arguments) {
    case .help(let text): try console.write(text)
    case .command(let command):
      try command.run(on: Worker(arguments, world: world, console: console, watch: watch, log: log))
    }
  }

  enum Request {
    case help(String)
    case command(any WorkerCommand)
  }

  /// The same on every rank, because the arguments are.
  static func parse(_ arguments: [String]) throws(Refusal) -> Request {
    if let name = arguments.prefix(while: { $0 != "--" }).first(where: isTooLong) {
      throw Refusal(.usage, "no option has a name as long as \(name.prefix(longestName))…; see 'moe-worker --help'")
    }
    do {
      var command = try MoEWorker.parseAsRoot(arguments)
      if let command = command as? any WorkerCommand { return .command(command) }
      try command.run()
      return .help(MoEWorker.helpMessage())
    } catch let error {
      guard MoEWorker.exitCode(for: error).isSuccess else { throw Refusal(.usage, usageMessage(error, arguments)) }
      return .help(MoEWorker.fullMessage(for: error))
    }
  }

  /// The parser compares a name that it does not know with all that it knows, each letter with each. What follows '--' is
  /// another program's.
  private static func isTooLong(_ argument: String) -> Bool {
    argument.hasPrefix("-") && argument.prefix { $0 != "=" }.utf8.count > longestName
  }
  private static let longestName = 100

  /// Whether arguments are understood, without the work that they ask for.
  package static func check(_ arguments: [String]) throws(Refusal) { _ = try parse(arguments) }

  /// The parser's message in one line, and where to read more.
  private static func usageMessage(_ error: any Error, _ arguments: [String]) -> String {
    let message = MoEWorker.message(for: error).split(whereSeparator: \.isNewline)
      .map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " ")
    return "\(message); see '\(commandPath(arguments)) --help'"
  }

  /// The subcommands that the arguments begin with: `moe-worker bench matmul`.
  private static func commandPath(_ arguments: [String]) -> String {
    var command: any ParsableCommand.Type = MoEWorker.self
    var path = "moe-worker"
    for name in arguments {
      guard let next = command.configuration.subcommands.first(where: { $0.configuration.commandName == name }) else {
        break
      }
      path += " \(name)"
      command = next
    }
    return path
  }
}
