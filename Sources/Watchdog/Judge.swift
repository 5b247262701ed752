package import FlightRecorder

/// Why the watch ends a job.
package enum Verdict: Hashable, Sendable {
  /// A rank's process or host gives no sign of life.
  case silent(rank: Int, nanoseconds: UInt64)
  /// A rank lives but does nothing, and waits for nobody.
  case stuck(rank: Int, nanoseconds: UInt64)
  /// All wait, one of them for a message that was sent to it.
  case lost(message: UInt64, from: Int, to: Int, nanoseconds: UInt64)
  /// All wait, for messages that nobody has sent.
  case deadlock(missing: Int, nanoseconds: UInt64)
}

/// Decides from what the watch has heard whether the job can go on. A value: time comes in from outside.
///
/// A rank that is slow moves, if slowly: it enters phases, completes tasks and messages, reads and writes files. Only one
/// that does nothing at all for the limit is judged, and never before training has begun: finding text and training a
/// tokenizer say nothing while they go on.
package struct Judge: Sendable {
  private struct Sight {
    var record: FlightRecord
    var heardAt: UInt64
    var movedAt: UInt64
  }

  package var limits: HeartbeatLimits
  private var sights: [Int: Sight] = [:]

  package init(_ limits: HeartbeatLimits) { self.limits = limits }

  /// A rank has sent its record.
  package mutating func heard(_ record: FlightRecord, at now: UInt64) {
    let last = sights[record.rank]
    let hasMoved = last?.record.progress != record.progress
    sights[record.rank] = Sight(record: record, heardAt: now, movedAt: hasMoved ? now : last?.movedAt ?? now)
  }

  /// A rank has left, and is not looked at any more.
  package mutating func forget(_ rank: Int) { sights[rank] = nil }

  /// The judge itself was asleep, and could not have heard anybody.
  package mutating func slept(_ nanoseconds: UInt64) {
    for rank in sights.keys {
      sights[rank]?.heardAt &+= nanoseconds
      sights[rank]?.movedAt &+= nanoseconds
    }
  }

  /// The last record of each rank that was heard of.
  package var records: [FlightRecord] { sights.values.map(\.record) }

  /// The rank that has given no sign of life for too long, if there is one.
  package func silence(at now: UInt64) -> Verdict? {
    for rank in sights.keys.sorted() {
      guard let sight = sights[rank], now > sight.heardAt, now - sight.heardAt > limit else { continue }
      return .silent(rank: rank, nanoseconds: now - sight.heardAt)
    }
    return nil
  }

  private var limit: UInt64 {
    limits.heartbeat(longestStep: sights.values.map(\.record.longestStep).max() ?? 0)
  }

  package func verdict(at now: UInt64) -> Verdict? {
    if let silence = silence(at: now) { return silence }
    let limit = limit
    for rank in sights.keys.sorted() {
      guard let sight = sights[rank], sight.record.wait == nil, let patience = patience(with: sight, limit),
        now > sight.movedAt, now - sight.movedAt > patience
      else { continue }
      return .stuck(rank: rank, nanoseconds: now - sight.movedAt)
    }
    return waiting(at: now, limit)
  }

  /// How long a rank may do nothing where it stands; nil for as long as it likes.
  private func patience(with sight: Sight, _ limit: UInt64) -> UInt64? {
    switch sight.record.standing?.phase {
    case nil, "start": nil
    case "load", "save", "end": max(limit, limits.wait)
    default: limit
    }
  }

  /// The verdict on a job in which every rank waits.
  private func waiting(at now: UInt64, _ limit: UInt64) -> Verdict? {
    guard sights.count > 1, sights.values.allSatisfy({ $0.record.wait != nil && now > $0.movedAt }) else { return nil }
    guard let idle = sights.values.map({ now - $0.movedAt }).min(), idle > limit else { return nil }
    let records = sights.values.map(\.record).sorted { $0.rank < $1.rank }
    for record in records {
      for peer in record.wait?.missing ?? [] {
        guard let other = sights[peer]?.record, other.sentCounts.count > record.rank,
          record.receivedCounts.count > peer, other.sentCounts[record.rank] > record.receivedCounts[peer]
        else { continue }
        return .lost(message: record.receivedCounts[peer] + 1, from: peer, to: record.rank, nanoseconds: idle)
      }
    }
    let missing = Dictionary(records.flatMap { $0.wait?.missing ?? [] }.map { ($0, 1) }, uniquingKeysWith: +)
    let most = missing.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.first
    return most.map { .deadlock(missing: $0.key, nanoseconds: idle) }
  }
}

extension Verdict: CustomStringConvertible {
  /// The rank that is to blame.
  package var rank: Int {
    switch self {
    case .silent(let rank, _), .stuck(let rank, _), .deadlock(let rank, _): rank
    case .lost(_, let rank, _, _): rank
    }
  }

  package var description: String {
    switch self {
    case .silent(let rank, let time):
      "rank \(rank) has given no sign of life for \(seconds(time)): its process is stopped, or its host or link is down"
    case .stuck(let rank, let time):
      "rank \(rank) lives, but has done nothing for \(seconds(time)) and waits for nobody: it is stuck"
    case .lost(let message, let sender, let receiver, let time):
      "message \(message) from rank \(sender) to rank \(receiver) was sent and has not arrived; nobody has moved for "
        + seconds(time)
    case .deadlock(let rank, let time):
      "all ranks wait for messages that were not sent, most of them for rank \(rank); nobody has moved for "
        + seconds(time)
    }
  }
}

/// Nanoseconds as seconds with one digit.
func seconds(_ nanoseconds: UInt64) -> String {
  let tenths = nanoseconds / 100_000_000 + (nanoseconds % 100_000_000 >= 50_000_000 ? 1 : 0)
  return "\(tenths / 10).\(tenths % 10) s"
}
