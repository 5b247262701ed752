/// How a rank ended, as far as it could say so itself.
package struct RecordEnd: Hashable, Sendable {
  package enum Kind: UInt64, Sendable {
    /// In an orderly way, together with all others; the code is the exit code.
    case finished = 1
    /// With an error that only this rank, or the watch over all ranks, noticed; the code is the exit code.
    case error
    /// From a signal, which is the code.
    case signal
    /// By a call of `exit`, somewhere.
    case exit
  }

  package var kind: Kind
  package var code: Int32
  /// Nanoseconds of the rank's monotonic clock.
  package var time: UInt64
  package var text: String
  /// The rank that is to blame, if the one that ended says so.
  package var blamed: Int?
}
