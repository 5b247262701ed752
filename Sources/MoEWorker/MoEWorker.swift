import ArgumentParser
import Communication

/// The program `moe-worker`: one process of it is one rank.
@main
struct MoEWorker: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "moe-worker",
    abstract: "Trains, evaluates and runs Mixture-of-Experts language models whose experts are spread over MPI ranks.",
    discussion: """
      'moe-worker SUBCOMMAND …' is one rank; 'mpirun -np N moe-worker SUBCOMMAND …' is N ranks that work together. \
      Give every rank the same arguments.

      Exit codes:
      \(ExitCodes.table)
      """,
    subcommands: [
      Train.self, Evaluate.self, Generate.self, Logits.self, Bench.self, Plan.self, Memory.self, Timeline.self,
      Doctor.self, Status.self, Blame.self, Supervise.self, Watch.self, Hosts.self,
    ])

  /// MPI first, then the arguments: so that all ranks can refuse together, and only one of them speaks.
  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if let name = arguments.first, Lookout.names.contains(name) { Lookout.run(arguments) }
    Job.run(arguments: arguments)
  }
}

/// A subcommand: flags on one side, calls of the library on the other.
protocol WorkerCommand: ParsableCommand {
  /// One rank's work. A `Refusal` it throws is one that every rank throws.
  func run(on worker: Worker) throws
}
