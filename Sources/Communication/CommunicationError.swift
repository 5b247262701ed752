package import Topology

/// A message that could not be delivered.
package struct CommunicationError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// A call of the transport failed; the text is the transport's.
    case callFailed(String)
    /// Nothing arrived within the limit.
    case noProgress
    /// A message has another size or content than the protocol says.
    case unexpectedMessage
  }

  package let code: Code
  package let rank: Rank
  package let activity: Activity
  /// The operation and, for a wait, the peers that are missing.
  package let message: String

  package init(_ code: Code, rank: Rank, activity: Activity, message: String) {
    self.code = code
    self.rank = rank
    self.activity = activity
    self.message = message
  }

  package var description: String { "\(rank), \(activity): \(message)" }
}

extension CommunicationError: RefusalConvertible {
  package var refusal: Refusal {
    switch code {
    case .callFailed, .noProgress: Refusal(.peerLost, description)
    case .unexpectedMessage: Refusal(.protocolViolation, description)
    }
  }
}
