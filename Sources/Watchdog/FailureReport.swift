package import FlightRecorder

/// The failure block: what ended a job, on which rank and host, in which step, layer and phase; the last operations of that
/// rank; and where each other rank stood.
package struct FailureReport: CustomStringConvertible {
  package let cause: FailureCause
  private let records: [Int: FlightRecord]
  private let rankCount: Int

  /// How many of its last operations are shown.
  private static let operationCount = 8
  /// How many other ranks are shown.
  private static let mostRanks = 64

  /// Nil if the job has ended well.
  ///
  /// - Parameter watch: what the watch over the job has left.
  package init?(_ records: [FlightRecord], watch: FlightRecord? = nil, rankCount: Int) {
    guard let cause = FailureCause(records, watch: watch, rankCount: rankCount) else { return nil }
    self.cause = cause
    self.records = Dictionary(records.map { ($0.rank, $0) }) { first, _ in first }
    self.rankCount = rankCount
  }

  /// The step that the ranks were in; nil before the first.
  package var step: Int? { records.values.compactMap { $0.standing?.step }.max() }

  package var description: String {
    var lines = ["moe-worker: the job failed"]
    if let rank = cause.rank {
      lines.append(line("rank", "\(rank) of \(rankCount)" + place(of: rank)))
      lines.append(line("why", cause.text))
      if let record = records[rank] { lines += story(of: record) }
    } else {
      lines.append(line("why", cause.text))
    }
    let others = (0..<rankCount).filter { $0 != cause.rank }
    for (index, rank) in others.prefix(Self.mostRanks).enumerated() {
      lines.append(line(index == 0 ? "others" : "", "rank \(rank): \(stand(of: rank))"))
    }
    if others.count > Self.mostRanks { lines.append(line("", "and \(others.count - Self.mostRanks) more")) }
    return lines.joined(separator: "\n") + "\n"
  }

  private func line(_ name: String, _ text: String) -> String {
    "  " + name + String(repeating: " ", count: max(1, 9 - name.count)) + text
  }

  private func place(of rank: Int) -> String {
    records[rank].map { ", on host \($0.hostName), process \($0.processID)" } ?? ", of which there is no record"
  }

  /// Where the culprit stood, and what it did last.
  private func story(of record: FlightRecord) -> [String] {
    let last = record.operations.suffix(Self.operationCount).enumerated().map { index, operation in
      line(index == 0 ? "last" : "", "\(ago(operation.time, record))  \(operation)")
    }
    return [line("where", stand(record))] + last
  }

  private func stand(of rank: Int) -> String {
    guard let record = records[rank] else { return "no record of it" }
    return "\(stand(record)), on \(record.hostName)"
  }

  private func stand(_ record: FlightRecord) -> String {
    var text = record.standing?.description ?? "at its beginning"
    if let wait = record.wait {
      let missing = wait.missing.map { "rank \($0)" }.joined(separator: ", ")
      text += "; waits in \(wait.operation)" + (missing.isEmpty ? "" : " for \(missing)")
    }
    return text
  }

  /// How long before the failure.
  private func ago(_ time: UInt64, _ record: FlightRecord) -> String {
    let wall = record.wallTime(time)
    guard let end = cause.time ?? record.operations.last.map({ record.wallTime($0.time) }) else { return "" }
    let microseconds = (end > wall ? end - wall : wall - end) / 1000
    let digits = String(microseconds % 1_000_000 + 1_000_000).dropFirst()
    return "\(end >= wall ? "-" : "+")\(microseconds / 1_000_000).\(digits) s"
  }
}
