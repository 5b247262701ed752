/// One rank's part of one pass over an MoE layer, as counts and dependencies: what a schedule puts in order.
///
///     chunks of rows to each peer ──▶                         ──▶ chunks of results to each source
///                                      row tasks, final tasks
///     chunks of rows from each source ▶                       ◀── chunks of results from each peer
///
/// A row task needs the first so many chunks of some sources; a chunk of results needs some row tasks; a final task (a
/// block of weight gradients) needs all row tasks of its expert. Chunks between two ranks travel in order. Sources
/// beyond the ranks are streams of another kind, such as the parameters of shadowed experts.
package struct ExchangeWork: Hashable, Sendable {
  /// A task waits until this many chunks of the source have arrived.
  package struct Need: Hashable, Sendable {
    package let source: Int32
    package let chunkCount: Int32

    package init(source: Int, chunkCount: Int) {
      self.source = Int32(source)
      self.chunkCount = Int32(chunkCount)
    }
  }

  /// A task computes rows that a chunk of results takes.
  package struct Feed: Hashable, Sendable {
    package let source: Int32
    package let chunk: Int32

    package init(source: Int, chunk: Int) {
      self.source = Int32(source)
      self.chunk = Int32(chunk)
    }
  }

  package let rank: Int
  package let rankCount: Int
  /// Chunks of rows that go to each peer. [P]
  package let dispatchChunks: [Int32]
  /// Chunks that come from each source, streams behind the ranks. [P + streams]
  package let arrivalChunks: [Int32]
  /// Chunks of results that go to each source. [P]
  package let returnChunks: [Int32]
  /// Chunks of results that come from each peer; streams behind the ranks may be left out. [P …]
  package let resultChunks: [Int32]
  /// Of each row task, in order of the tasks.
  package let needs: [[Need]]
  package let feeds: [[Feed]]
  /// The expert of each row task; an expert's rows lie in order of its tasks.
  package let taskExperts: [Int32]
  /// Rows of each row task.
  package let taskRows: [Int32]
  /// The expert of each final task; an expert's lie together.
  package private(set) var finalExperts: [Int32] = []
  /// Experts whose final tasks make what other ranks wait for: the gradients of shadowed experts.
  package private(set) var travellingExperts: Set<Int32> = []

  package init(
    rank: Int, dispatchChunks: [Int32], arrivalChunks: [Int32], returnChunks: [Int32], resultChunks: [Int32],
    needs: [[Need]], feeds: [[Feed]], taskExperts: [Int32], taskRows: [Int32], finalExperts: [Int32] = [],
    travellingExperts: Set<Int32> = []
  ) {
    precondition(
      [feeds.count, taskExperts.count, taskRows.count].allSatisfy { $0 == needs.count },
      "\(needs.count) needs, \(feeds.count) feeds, \(taskExperts.count) experts and \(taskRows.count) numbers of rows")
    self.rank = rank
    rankCount = dispatchChunks.count
    self.dispatchChunks = dispatchChunks
    self.arrivalChunks = arrivalChunks
    self.returnChunks = returnChunks
    self.resultChunks = resultChunks
    self.needs = needs
    self.feeds = feeds
    self.taskExperts = taskExperts
    self.taskRows = taskRows
    self.finalExperts = finalExperts
    self.travellingExperts = travellingExperts
  }

  package var taskCount: Int { needs.count }
  package var finalTaskCount: Int { finalExperts.count }

  /// Whether a task needs nothing that travels.
  package func isOwn(_ task: Int) -> Bool { needs[task].isEmpty }

  func travels(_ expert: Int32) -> Bool { travellingExperts.contains(expert) }
}
