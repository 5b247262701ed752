import FlightRecorder

/// What ended a job, and which rank it was: found in the records that its ranks left.
package struct FailureCause: Hashable, Sendable {
  /// Nil where no rank is to blame more than others.
  package var rank: Int?
  package var text: String
  /// Nanoseconds since 1970; nil where nobody knows.
  package var time: UInt64?

  /// How much earlier a lost connection has to be noticed than another rank speaks of its own end, to be its cause.
  private static let earlier: UInt64 = 5_000_000

  /// A rank's end as one record tells of it.
  private struct Event {
    var rank: Int
    var time: UInt64
    var text: String
    /// Whoever tells of it names itself, or knows better than that a connection is gone.
    var isCertain: Bool
    /// It is about another rank, and does not say which.
    var isComplaint = false
  }

  /// Nil if the job has ended well.
  init?(_ records: [FlightRecord], watch: FlightRecord?, rankCount: Int) {
    let events = (records + [watch].compactMap(\.self)).flatMap(Self.events).sorted {
      ($0.time, $0.rank) < ($1.time, $1.rank)
    }
    let certain = events.first(where: \.isCertain)
    // Who says that a peer is lost may be right before the watch notices it, and is lost itself soon after.
    let suspected = events.first { event in
      !event.isCertain && event.time + Self.earlier < certain?.time ?? .max
    }
    if let event = suspected.map({ Self.best(of: $0, events) }) ?? certain {
      (rank, text, time) = (event.rank, event.text, event.time)
      if event.isComplaint, let missed = Self.missedByAll(records) {
        (rank, text) = (missed, "the others wait for it in vain: \(event.text)")
      }
      return
    }
    if let end = records.first(where: { $0.end?.code ?? 0 != 0 })?.end {
      (rank, text) = (nil, "all ranks ended together with exit code \(end.code): \(end.text)")
      return
    }
    guard records.count < rankCount || records.contains(where: { $0.end == nil }) else { return nil }
    (rank, text) = (nil, "ended from outside: no rank has left a word of why")
  }

  /// Of an event that is only suspected, what the rank itself has said of it, if it has.
  private static func best(of event: Event, _ events: [Event]) -> Event {
    events.first { $0.isCertain && $0.rank == event.rank } ?? event
  }

  /// The one rank that does not wait itself and that every rank that waits is missing; nil where there is no such rank.
  private static func missedByAll(_ records: [FlightRecord]) -> Int? {
    let waits = records.compactMap(\.wait)
    let silent = records.filter { record in
      record.end == nil && record.wait == nil && waits.allSatisfy { $0.missing.contains(record.rank) }
    }
    return silent.count == 1 && !waits.isEmpty ? silent[0].rank : nil
  }

  private static func events(of record: FlightRecord) -> [Event] {
    let losses = record.losses.map { loss in
      Event(
        rank: loss.rank, time: record.wallTime(loss.time),
        text: "its process ended without a word: killed from outside, as the kernel does for lack of memory",
        isCertain: false)
    }
    guard let end = record.end, end.kind != .finished else { return losses }
    let isOpinion = end.kind == .error && end.blamed == nil && end.code == peerLostCode
    return losses + [
      Event(
        rank: end.blamed ?? record.rank, time: record.wallTime(end.time), text: words(for: end), isCertain: !isOpinion,
        isComplaint: isOpinion)
    ]
  }

  /// The exit code of a rank that says that another is lost.
  package static let peerLostCode: Int32 = 75

  private static func words(for end: RecordEnd) -> String {
    switch end.kind {
    case .finished: "ended with exit code \(end.code)"
    case .error: end.blamed == nil ? "ended with an error (exit code \(end.code)): \(end.text)" : end.text
    case .signal: "killed by signal \(end.code), \(SignalName.name(of: end.code))"
    case .exit: "left the job by exit(\(end.code)), with no reason given"
    }
  }
}

/// What signals mean to people.
enum SignalName {
  static func name(of number: Int32) -> String {
    let names: [Int32: String] = [
      4: "SIGILL: a trap of the program, or an instruction that this processor lacks",
      5: "SIGTRAP: a trap of the program",
      6: "SIGABRT: the program or a library gave up", 7: "SIGBUS: memory or a file's memory is gone",
      8: "SIGFPE: impossible arithmetic", 11: "SIGSEGV: bad memory access",
    ]
    return names[number] ?? "of another kind"
  }
}
