import ArgumentParser
import Communication
import Foundation
import Watchdog

/// `watch`: the process that watches a job, which rank 0 starts. See `Watchdog`.
struct Watch: LookoutCommand {
  static let configuration = CommandConfiguration(
    commandName: Watchdog.command, abstract: "Watches the ranks of a job; rank 0 starts it.", shouldDisplay: false)

  @Argument(help: ArgumentHelp("Ranks of the job.", valueName: "ranks"), transform: Parse.positive)
  var ranks: Int

  func look() throws -> Int32 {
    let secret = ProcessInfo.processInfo.environment[Watchdog.secretVariable] ?? ""
    guard var watcher = Watcher(rankCount: ranks, hostName: HostSurvey.ownName, secret: secret) else {
      throw Refusal(.usage, "'watch' is for rank 0 of a job to start")
    }
    watcher.run()
    return 0
  }
}
