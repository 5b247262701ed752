package import FlightRecorder

/// Finds ranks that compute longer than the others. A value: records come in, findings go out.
///
/// All ranks' steps take equally long, since they wait for each other; what tells a slow one is how little of it it waits.
package struct StragglerWatch: Sendable {
  /// A rank that has become slow.
  package struct Finding: Hashable, Sendable {
    package var rank: Int
    package var hostName: String
    /// The median of the other ranks' time, without waiting, over this rank's.
    package var score: Double
    package var steps: ClosedRange<Int>
  }

  /// What a rank had done when the steps began that are looked at now.
  private struct Mark {
    var steps: Int
    var busy: UInt64
  }

  /// Steps that are looked at together.
  package static let window = 20
  /// Of NVIDIA's resiliency extension.
  package static let threshold = 0.75

  private let rankCount: Int
  private var marks: [Int: Mark] = [:]
  private var last: [Int: FlightRecord] = [:]
  private var slow: Set<Int> = []

  package init(rankCount: Int) { self.rankCount = rankCount }

  /// A rank has sent its record.
  ///
  /// - Returns: the ranks that were not slow in the steps before and are now.
  package mutating func heard(_ record: FlightRecord) -> [Finding] {
    last[record.rank] = record
    if marks[record.rank] == nil { marks[record.rank] = Self.mark(record) }
    guard rankCount > 1, last.count == rankCount,
      last.values.allSatisfy({ $0.finishedSteps >= (marks[$0.rank]?.steps ?? 0) + Self.window })
    else { return [] }
    defer { for (rank, record) in last { marks[rank] = Self.mark(record) } }
    let times = last.mapValues(timeOfStep)
    let found = last.values.compactMap { finding($0, times) }.sorted { $0.rank < $1.rank }
    defer { slow = Set(found.map(\.rank)) }
    return found.filter { !slow.contains($0.rank) }
  }

  private func finding(_ record: FlightRecord, _ times: [Int: Double]) -> Finding? {
    let others = times.filter { $0.key != record.rank }.values.sorted()
    guard let own = times[record.rank], own > 0, let mark = marks[record.rank] else { return nil }
    let score = (others[(others.count - 1) / 2] + others[others.count / 2]) / 2 / own
    guard score < Self.threshold else { return nil }
    return Finding(
      rank: record.rank, hostName: record.hostName, score: score, steps: mark.steps + 1...record.finishedSteps)
  }

  /// Nanoseconds of a step in which the rank did not wait.
  private func timeOfStep(_ record: FlightRecord) -> Double {
    guard let mark = marks[record.rank], record.finishedSteps > mark.steps else { return 0 }
    let busy = Self.mark(record).busy
    return Double(busy > mark.busy ? busy - mark.busy : 0) / Double(record.finishedSteps - mark.steps)
  }

  private static func mark(_ record: FlightRecord) -> Mark {
    let waited = min(record.waitedNanoseconds, record.stepNanoseconds)
    return Mark(steps: record.finishedSteps, busy: record.stepNanoseconds - waited)
  }
}

extension StragglerWatch.Finding: CustomStringConvertible {
  package var description: String {
    let percent = Int((score * 100).rounded())
    return
      "rank \(rank) on host \(hostName) is slow: in its steps \(steps.lowerBound) to \(steps.upperBound) the others "
      + "computed for \(percent) % of its time"
  }
}
