package import Planning
package import Topology

/// How exchanges are carried out. The same on all ranks; nothing here changes a bit of any result.
package struct ExchangeOptions: Hashable, Sendable {
  package var policy: SchedulePolicy
  /// Ranks of a group of the pairwise schedule.
  package var groupSize: Int
  /// Rows that a message carries at most; nil chooses by their width.
  package var chunkRows: Int?
  /// Rows of a task at most, where messages are under way while it computes.
  package var taskRows: Int
  /// Nil fits the number of ranks.
  package var window: SendWindow?
  /// On which hosts the group's ranks run, for a two-level exchange: between two hosts one message at a time carries what
  /// all of their ranks have for each other, by way of a relay on each. Nil: every rank sends to every other one.
  ///
  /// Not with the pairwise schedule, which wants the rows of one group of ranks before it sends those of the next.
  package var relayedHosts: HostMap?
  /// Whether this rank's own thread lets MPI move messages between tasks; otherwise a progress thread must.
  package var pokesBetweenTasks = true

  package init(
    policy: SchedulePolicy = .eager, groupSize: Int = 1, chunkRows: Int? = nil, taskRows: Int = 256,
    window: SendWindow? = nil
  ) {
    self.policy = policy
    self.groupSize = groupSize
    self.chunkRows = chunkRows
    self.taskRows = taskRows
    self.window = window
  }

  /// A message that is long enough to fill a link and short enough that what it brings can be computed early.
  private static let messageByteCount = 128 << 10

  package func window(rankCount: Int) -> SendWindow { window ?? .fitting(rankCount: rankCount) }

  /// Rows of a message at most, of so many elements each.
  package func chunkRows(width: Int) -> Int {
    chunkRows ?? Self.rows(byteCount: Self.messageByteCount, width: width)
  }

  /// Rows of so many elements that a message of so many bytes has room for; at least one.
  package static func rows(byteCount: Int, width: Int) -> Int { max(1, byteCount / (4 * max(width, 1))) }

  /// Pieces of rows below this are computed with others: a product of few rows is slow.
  private static let smallestTask = 64

  /// How rows are cut into tasks.
  package func cut(isAlone: Bool) -> TaskCut {
    isAlone || policy == .sequential
      ? .whole : TaskCut(largest: max(taskRows, Self.smallestTask), smallest: Self.smallestTask)
  }

  /// What a simulation has to know of it.
  ///
  /// - Parameters:
  ///   - width: elements of a row.
  ///   - rankCount: of an expert-parallel group.
  package func simulated(width: Int, rankCount: Int, threadCount: Int) -> SimulationSettings {
    SimulationSettings(
      policy: policy, chunkRows: chunkRows(width: width), cut: cut(isAlone: rankCount == 1),
      window: window(rankCount: rankCount), groupSize: groupSize, threadCount: threadCount)
  }
}
