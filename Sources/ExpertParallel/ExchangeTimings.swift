/// Where the time of the expert exchanges went; sums since the last reset.
package struct ExchangeTimings: Hashable, Sendable {
  /// One direction of the layers.
  package struct Phase: Hashable, Sendable {
    /// All of it, exchange and experts.
    package var total = Duration.zero
    /// From the first message of an exchange to the last: packing, sending, computing meanwhile, waiting.
    package var exchange = Duration.zero
    /// Time in which this rank had nothing to compute and waited for messages.
    package var exposed = Duration.zero
    /// Time in which experts computed.
    package var compute = Duration.zero
    /// Tasks that were computed.
    package var taskCount = 0
    /// How often MPI was given a chance to move messages.
    package var pokeCount = 0
    /// Payload and manifests that left this rank.
    package var sentByteCount = 0
  }

  package var forward = Phase()
  package var backward = Phase()

  package init() {}

  package subscript(pass: Pass) -> Phase {
    get { pass == .forward ? forward : backward }
    set { if pass == .forward { forward = newValue } else { backward = newValue } }
  }

  package var total: Duration { forward.total + backward.total }
  package var exchange: Duration { forward.exchange + backward.exchange }
  package var exposed: Duration { forward.exposed + backward.exposed }
  package var sentByteCount: Int { forward.sentByteCount + backward.sentByteCount }
}

extension Duration {
  /// The duration in milliseconds.
  package var milliseconds: Double {
    Double(components.seconds) * 1e3 + Double(components.attoseconds) * 1e-15
  }
}
