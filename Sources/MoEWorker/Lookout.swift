import ArgumentParser
import Communication
import Foundation

/// Commands that look at a job from outside, or prepare one: they are no ranks, and never start MPI.
protocol LookoutCommand: ParsableCommand {
  /// Returns the exit code.
  func look() throws -> Int32
}

enum Lookout {
  private static let commands: [any LookoutCommand.Type] = [
    Blame.self, Hosts.self, Status.self, Supervise.self, Watch.self,
  ]
  static let names = Set(commands.compactMap { $0.configuration.commandName })

  static func run(_ arguments: [String]) -> Never {
    do {
      var command = try MoEWorker.parseAsRoot(arguments)
      if let command = command as? any LookoutCommand { exit(try command.look()) }
      // Asked for its help, the parser gives a command that throws the text.
      try command.run()
      exit(0)
    } catch let error as any RefusalConvertible {
      Console.complain(error.refusal.message)
      exit(error.refusal.kind.rawValue)
    } catch {
      guard !MoEWorker.exitCode(for: error).isSuccess else { MoEWorker.exit(withError: error) }
      Console.complain("\(MoEWorker.message(for: error)); see 'moe-worker \(arguments[0]) --help'")
      exit(Refusal.Kind.usage.rawValue)
    }
  }
}
