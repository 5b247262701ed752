/// Where the time of the expert exchanges went; sums since the last reset.
package struct ExchangeTimings: Hashable, Sendable {
  /// From the first message of an exchange to the last: packing, sending, waiting.
  package var exchange = Duration.zero
  /// Time in which this rank had nothing to compute and waited for messages.
  package var exposed = Duration.zero
  /// Time in which experts computed.
  package var compute = Duration.zero
  /// Payload and manifests that left this rank.
  package var sentByteCount = 0

  package init() {}
}

extension Duration {
  /// The duration in milliseconds.
  package var milliseconds: Double {
    Double(components.seconds) * 1e3 + Double(components.attoseconds) * 1e-15
  }
}
