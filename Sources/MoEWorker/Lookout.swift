import ArgumentParser
import Communication
import Foundation

/// Commands that look at a job from outside: they are no ranks, and never start MPI.
protocol LookoutCommand: ParsableCommand {
  /// Returns the exit code.
  func look() throws -> Int32
}

enum Lookout {
  private static let commands: [any LookoutCommand.Type] = [Blame.self, Status.self, Supervise.self, Watch.self]
  static let names = Set(commands.compactMap { $0.configuration.commandName })

  static func run(_ arguments: [String]) -> Never {
    do {
      guard let command = try MoEWorker.parseAsRoot(arguments) as? any LookoutCommand else {
        print(MoEWorker.helpMessage())
        exit(0)
      }
      exit(try command.look())
    } catch let refusal as Refusal {
      Console.complain(refusal.message)
      exit(refusal.kind.rawValue)
    } catch {
      guard !MoEWorker.exitCode(for: error).isSuccess else { MoEWorker.exit(withError: error) }
      Console.complain("\(MoEWorker.message(for: error)); see 'moe-worker \(arguments[0]) --help'")
      exit(Refusal.Kind.usage.rawValue)
    }
  }
}
