import ArgumentParser
import Communication
import Supervision

/// `supervise`: runs a job, and runs it again when it fails.
struct Supervise: LookoutCommand {
  static let configuration = CommandConfiguration(
    commandName: "supervise",
    abstract: "Runs a job, says why it ended, and starts it again from its newest checkpoint when it fails.",
    discussion: """
      'moe-worker supervise --max-restarts 5 -- mpirun -np 4 moe-worker train …'. Signals are passed on: SIGTERM, SIGUSR1 or \
      Ctrl-C let the job finish its step, save and end; a second Ctrl-C ends it at once. A job that fails three times in the \
      same step, or that a new attempt cannot help, is not started again. Hosts that do not answer any more are left out.
      """)

  @Option(help: ArgumentHelp("How often the job may be started again.", valueName: "k"), transform: Parse.notNegative)
  var maxRestarts = 3

  @Option(
    help:
      "Seconds before the first restart; each further one without a new checkpoint waits twice as long, at most 60.",
    transform: Parse.seconds)
  var pause = 1.0

  @Argument(parsing: .postTerminator, help: ArgumentHelp("The job, after '--'.", valueName: "command"))
  var command: [String] = []

  func validate() throws {
    if command.isEmpty { throw ValidationError("a command is missing: give it after '--'") }
  }

  func look() throws -> Int32 {
    var supervisor = Supervisor(
      LaunchCommand(command), RestartPolicy(mostRestarts: maxRestarts, firstPause: .seconds(pause)))
    return try supervisor.run()
  }
}
