/// What the events of one rank say about overlap, per step, layer and pass.
package struct TraceSummary: Sendable {
  /// Messages of some kinds against tasks of others, at one site.
  package struct Overlap: Hashable, Sendable {
    package var messageCount: Int
    package var taskCount: Int
    /// Messages that began before the last task did: they flew while tasks were running or still to come.
    package var earlyMessageCount: Int
    /// Nanoseconds during which at least one message flew and at least one task ran.
    package var duration: Int64

    package init(messageCount: Int = 0, taskCount: Int = 0, earlyMessageCount: Int = 0, duration: Int64 = 0) {
      self.messageCount = messageCount
      self.taskCount = taskCount
      self.earlyMessageCount = earlyMessageCount
      self.duration = duration
    }
  }

  private let sites: [TraceSite: [TraceEvent]]

  package init(_ events: [TraceEvent]) { sites = Dictionary(grouping: events, by: \.site) }

  /// How messages overlap with tasks, at every site that has a message or a task of theirs.
  package func overlaps(
    of isMessage: (TraceEvent) -> Bool, with isTask: (TraceEvent) -> Bool
  ) -> [TraceSite: Overlap] {
    sites.compactMapValues { events in
      let messages = events.filter { $0.kind.lane == .message && isMessage($0) }
      let tasks = events.filter { $0.kind.lane == .compute && isTask($0) }
      return messages.isEmpty && tasks.isEmpty ? nil : Self.overlap(of: messages, with: tasks)
    }
  }

  private static func overlap(of messages: [TraceEvent], with tasks: [TraceEvent]) -> Overlap {
    let lastStart = tasks.map(\.start).max()
    return Overlap(
      messageCount: messages.count, taskCount: tasks.count,
      earlyMessageCount: messages.count { message in lastStart.map { message.start < $0 } ?? false },
      duration: commonLength(union(messages.map(\.interval)), union(tasks.map(\.interval))))
  }

  /// Disjoint intervals in order that cover the same.
  private static func union(_ intervals: [Range<Int64>]) -> [Range<Int64>] {
    var union: [Range<Int64>] = []
    for interval in intervals.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = union.last, interval.lowerBound <= last.upperBound {
        union[union.count - 1] = last.lowerBound..<max(last.upperBound, interval.upperBound)
      } else {
        union.append(interval)
      }
    }
    return union
  }

  /// The length of what both lists of disjoint intervals in order cover.
  private static func commonLength(_ first: [Range<Int64>], _ second: [Range<Int64>]) -> Int64 {
    var length: Int64 = 0
    var (i, j) = (0, 0)
    while i < first.count && j < second.count {
      let common = first[i].clamped(to: second[j])
      length += common.upperBound - common.lowerBound
      if first[i].upperBound < second[j].upperBound { i += 1 } else { j += 1 }
    }
    return length
  }
}
