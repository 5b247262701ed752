import FlightRecorder

/// The rhythm of somebody who watches: when to give a sign of life, and whether it was itself asleep.
struct Pulse {
  private var lastBeat: UInt64 = 0
  private var lastLook: UInt64 = 0
  private var files = FileActivity()

  /// Who comes this much later than intended was not scheduled, or the machine was asleep.
  private static let late: UInt64 = 500_000_000

  /// Nanoseconds for which it has missed what it should have heard.
  mutating func asleep(_ now: UInt64, _ interval: UInt64) -> UInt64 {
    defer { lastLook = now }
    guard lastLook > 0, now > lastLook else { return 0 }
    let overdue = (now - lastLook) - min(now - lastLook, interval)
    return overdue > Self.late ? overdue : 0
  }

  /// Whether it is time for a sign of life.
  mutating func isDue(_ now: UInt64, _ interval: UInt64) -> Bool {
    guard now &- lastBeat >= interval / 10 * 9 else { return false }
    lastBeat = now
    return true
  }

  /// Whether this process has read or written files since the last look.
  mutating func filesMove() -> Bool { files.look() }
}
