import ArgumentParser
import ExpertParallel
import Planning
import Topology

extension SchedulePolicy: ExpressibleByArgument {}

/// How the exchange of tokens and the experts' work are put in order. Nothing here changes a bit of any result.
struct ExchangeFlags: ParsableArguments {
  @Option(help: "sequential, pairwise (FasterMoE's) or eager. (default: what is predicted to be fastest)")
  var schedule: SchedulePolicy?

  @Option(help: "Ranks of a group of the pairwise schedule. (default: 1)", transform: Parse.positive)
  var groupSize: Int?

  @Option(
    help: """
      How ranks of other hosts are reached: direct, or two-level (one message at a time from host to host, by way of a \
      rank of each; not with pairwise). (default: what is predicted to be fastest)
      """)
  var route: Route?

  enum Route: String, ExpressibleByArgument, CaseIterable {
    case direct
    case twoLevel = "two-level"
  }

  /// The hosts between which rows can be relayed, given the hosts of a group's ranks; nil where a two-level exchange is
  /// none.
  static func relayedHosts(_ hostOfRank: [Int]) -> HostMap? {
    let hosts = HostMap(names: hostOfRank)
    return hosts.hostCount > 1 && hosts.mostRanksOfHost > 1 && hosts.hostCount <= ExpertRuntime.mostRelayedHosts
      ? hosts : nil
  }

  @Option(help: "Rows that a message carries at most. (default: about 128 KiB)", transform: Parse.positive)
  var chunkRows: Int?

  @Option(
    help: "Rows of an expert that are computed between two looks at messages. (default: 256)",
    transform: Parse.positive)
  var taskRows: Int?

  @Option(
    help: "Who lets MPI move messages while experts compute: tasks (pokes between tasks) or thread. (default: tasks)")
  var progress = ProgressStrategy.tasks

  enum ProgressStrategy: String, ExpressibleByArgument, CaseIterable {
    case tasks, thread
  }

  @Option(
    help: """
      Whether ranks compute a popular expert's rows themselves, with a copy of its parameters: on (where it is predicted \
      to pay) or off. (default: off)
      """)
  var shadow = Switch.off

  @Option(
    help: "Mebibytes of each rank for such copies, per layer. (default: 256)", transform: Parse.positive)
  var shadowMemory = 256

  enum Switch: String, ExpressibleByArgument, CaseIterable {
    case on, off
  }

  func validate() throws { try Self.check(route, schedule) }

  /// Refuses a route that a schedule cannot take.
  static func check(_ route: Route?, _ schedule: SchedulePolicy?) throws {
    guard route == .twoLevel && schedule == .pairwise else { return }
    throw ValidationError(
      "--route two-level and --schedule pairwise contradict each other: a relay waits for all rows")
  }

  var options: ExchangeOptions {
    var options = ExchangeOptions()
    options.pokesBetweenTasks = progress == .tasks
    if let schedule { options.policy = schedule }
    if let groupSize { options.groupSize = groupSize }
    options.chunkRows = chunkRows
    if let taskRows { options.taskRows = taskRows }
    return options
  }
}
