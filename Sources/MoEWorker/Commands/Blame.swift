import ArgumentParser
import Communication
import Watchdog

/// `blame`: why a job ended.
struct Blame: LookoutCommand {
  static let configuration = CommandConfiguration(
    commandName: "blame",
    abstract: "Says which rank of a run ended the job, why, and where each rank stood.")

  @Argument(help: ArgumentHelp("A run's directory: the --output of 'train'.", valueName: "run-dir"))
  var run: String

  func look() throws -> Int32 {
    let found = try RunRecords(of: run)
    for problem in found.problems { Console.complain("warning: \(problem)") }
    let console = Console(isSpeaker: true)
    if found.isAlive {
      try console.write("the job still runs: its ranks give signs of life")
    } else if let report = found.report {
      try console.stream(report.description)
    } else {
      try console.write("the job ended well")
    }
    return 0
  }
}
