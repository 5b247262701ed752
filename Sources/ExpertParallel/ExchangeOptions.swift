package import Planning

/// How exchanges are carried out. The same on all ranks; nothing here changes a bit of any result.
package struct ExchangeOptions: Hashable, Sendable {
  package var policy: SchedulePolicy
  /// Ranks of a group of the pairwise schedule.
  package var groupSize: Int
  /// Rows that a message carries at most; nil chooses by their width.
  package var chunkRows: Int?
  /// Rows of a task at most, where messages are under way while it computes.
  package var taskRows: Int
  package var window: SendWindow
  /// Whether this rank's own thread lets MPI move messages between tasks; otherwise a progress thread must.
  package var pokesBetweenTasks = true

  package init(
    policy: SchedulePolicy = .eager, groupSize: Int = 1, chunkRows: Int? = nil, taskRows: Int = 256,
    window: SendWindow = SendWindow()
  ) {
    self.policy = policy
    self.groupSize = groupSize
    self.chunkRows = chunkRows
    self.taskRows = taskRows
    self.window = window
  }

  /// A message that is long enough to fill a link and short enough that what it brings can be computed early.
  private static let messageByteCount = 128 << 10

  /// Rows of a message at most, of so many elements each.
  package func chunkRows(width: Int) -> Int { max(1, chunkRows ?? Self.messageByteCount / (4 * max(width, 1))) }

  /// Pieces of rows below this are computed with others: a product of few rows is slow.
  private static let smallestTask = 64

  /// How rows are cut into tasks.
  package func cut(isAlone: Bool) -> TaskCut {
    isAlone || policy == .sequential
      ? .whole : TaskCut(largest: max(taskRows, Self.smallestTask), smallest: Self.smallestTask)
  }
}
