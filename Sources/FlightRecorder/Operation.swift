/// One entry of a rank's ring: what it did last, and when.
package struct Operation: Hashable, Sendable {
  package enum Kind: UInt64, Sendable {
    /// It entered a phase.
    case activity = 1
    /// It started to send a message.
    case sent
    /// A message has arrived.
    case received
    /// A wait sees nothing happen.
    case waiting
    /// A wait goes on.
    case resumed
  }

  package var kind: Kind
  /// Nanoseconds of the writer's monotonic clock.
  package var time: UInt64
  /// Of messages: the other end, and how many messages there have been between the two in this direction.
  package var peer: Int?
  package var messageNumber = 0
  package var byteCount = 0
  package var tag = 0
  /// Of activities.
  package var phase = ""
  package var step: Int?
  package var layer: Int?
}

extension Operation: CustomStringConvertible {
  package var description: String {
    switch kind {
    case .activity: Standing.describe(phase, step, layer)
    case .sent: "sent message \(messageNumber) to rank \(peer ?? -1): \(byteCount) bytes, tag \(tag)"
    case .received: "received message \(messageNumber) from rank \(peer ?? -1): \(byteCount) bytes, tag \(tag)"
    case .waiting: "waits, and nothing happens"
    case .resumed: "goes on"
    }
  }
}

/// Where a rank stands: the phase that it is in.
package struct Standing: Hashable, Sendable, CustomStringConvertible {
  package var phase: String
  package var step: Int?
  package var layer: Int?
  /// Nanoseconds of the rank's monotonic clock.
  package var since: UInt64

  package var description: String { Self.describe(phase, step, layer) }

  static func describe(_ phase: String, _ step: Int?, _ layer: Int?) -> String {
    ([phase] + [step.map { "step \($0)" }, layer.map { "layer \($0)" }].compactMap(\.self)).joined(separator: ", ")
  }
}
