/// Why a job cannot go on, in a form that can travel to the other ranks and become an exit code.
///
/// The message is one line that says what, where and what to do.
package struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of refusal; the numbers are exit codes, those of BSD's `sysexits.h` and three more.
  package enum Kind: Int32, Sendable, CaseIterable {
    case usage = 64
    case invalidData = 65
    case missingInput = 66
    case hostDiffers = 68
    case unavailable = 69
    case internalError = 70
    case systemError = 71
    case cannotCreate = 73
    case inputOutput = 74
    case peerLost = 75
    case protocolViolation = 76
    case noPermission = 77
    case configuration = 78
    /// Not of `sysexits.h`: somebody asked the job to stop, and it can be resumed.
    case stopped = 79
    /// Not of `sysexits.h`: what ranks hold alike is not alike any more.
    case replicasDiffer = 80
    /// Not of `sysexits.h`: the loss or its gradient is no number any more.
    case diverged = 81
  }

  package let kind: Kind
  package let message: String

  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  package var description: String { message }
}

/// An error that comes from outside (flags, files, hosts, the network) and so ends the job in an orderly way.
package protocol RefusalConvertible: Error {
  var refusal: Refusal { get }
}

extension Refusal: RefusalConvertible {
  package var refusal: Refusal { self }

  /// What an error means to the user; an error of no known kind is ours.
  package init(_ error: any Error) {
    self = (error as? any RefusalConvertible)?.refusal ?? Refusal(.internalError, "internal error: \(error)")
  }
}
