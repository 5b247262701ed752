import Communication

/// The legs of a message's way to another host.
enum RelayLeg: Int {
  /// To the relay of the own host, together with what else goes to the other host.
  case gather
  /// Between the relays, everything that one host has for the other.
  case cross
  /// From the relay to a rank of its host, together with what else came from the other host.
  case spread

  /// More hosts than that have no tags of their own.
  static let mostHosts = 160

  /// - Parameter host: the other host. Two relays have nothing to do with each other but for their two hosts.
  func tag(_ kind: MessageKind, sequence: Int32, host: Int) -> Tag {
    kind.tag(sequence: sequence, stream: 1 + 3 * (self == .cross ? 0 : host) + rawValue)
  }
}
