import Communication
import Tracing

/// What a message of an exchange carries.
enum MessageKind: Int32 {
  case manifest, rows, results, gateGradients, parameters, parameterGradients, replacedExperts

  /// A tag of its own for every kind of message of an exchange; exchanges far apart may share one.
  ///
  /// - Parameter stream: tells the streams of an exchange apart that may join the same two ranks.
  func tag(sequence: Int32, stream: Int = 0) -> Tag {
    precondition(stream < Self.streamLimit, "stream \(stream) of \(Self.streamLimit)")
    return Tag(((sequence & 0xff) << 3 | rawValue) << 9 | Int32(stream))
  }

  /// What a trace calls it.
  var traceKind: TraceKind {
    switch self {
    case .manifest: .manifest
    case .rows: .dispatch
    case .results, .gateGradients: .results
    case .parameters, .parameterGradients: .shadows
    case .replacedExperts: .otherMessage
    }
  }

  private static let streamLimit = 1 << 9
}
