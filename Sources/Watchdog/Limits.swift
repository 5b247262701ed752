/// How long ranks may give no sign before the watch ends the job.
package struct HeartbeatLimits: Hashable, Sendable {
  /// Nanoseconds without a heartbeat or, in a step, without anything done.
  package var heartbeat: UInt64
  /// Nanoseconds without anything done while files are read or written, or the job ends.
  package var wait: UInt64

  package init(heartbeat: Duration, wait: Duration) {
    self.heartbeat = Self.nanoseconds(heartbeat)
    self.wait = Self.nanoseconds(wait)
  }

  /// Ten seconds, or five times the longest step: the factor by which NVIDIA's resiliency extension stretches what it
  /// has seen.
  package static let defaultHeartbeat = Duration.seconds(10)
  private static let longestSteps: UInt64 = 5

  /// The form in which they travel.
  var bytes: [UInt8] {
    [heartbeat, wait].flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) } }
  }

  init?(bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    let values = [0, 8].map { start in (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) } }
    (heartbeat, wait) = (values[0], values[1])
  }

  package func heartbeat(longestStep: UInt64) -> UInt64 {
    let (stretched, overflow) = longestStep.multipliedReportingOverflow(by: Self.longestSteps)
    return max(heartbeat, overflow ? .max : stretched)
  }

  /// How often ranks tell that they live.
  var interval: UInt64 { min(1_000_000_000, max(20_000_000, heartbeat / 5)) }

  private static func nanoseconds(_ duration: Duration) -> UInt64 {
    let (seconds, attoseconds) = duration.components
    return UInt64(clamping: seconds) &* 1_000_000_000 &+ UInt64(clamping: attoseconds / 1_000_000_000)
  }
}
