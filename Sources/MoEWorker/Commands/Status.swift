import ArgumentParser
import Communication

/// `status`: how a run goes.
struct Status: LookoutCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Says whether a run goes on or how it ended, how far it is, and where each rank stands.",
    discussion: "It reads what the run leaves in its directory, while it runs and afterwards, and disturbs nobody.")

  @Argument(help: ArgumentHelp("A run's directory: the --output of 'train'.", valueName: "run-dir"))
  var run: String

  @Option(help: ArgumentHelp("The run's --metrics. (default: RUN_DIR/metrics.jsonl)", valueName: "file"))
  var metrics: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  func look() throws -> Int32 {
    let status = try RunStatus(of: run, metrics: metrics, seenFrom: HostSurvey.ownName)
    for problem in status.problems { Console.complain("warning: \(problem)") }
    let console = Console(isSpeaker: true)
    if json { try console.write(status.json.description) } else { try console.stream(status.description) }
    return 0
  }
}
