/// What a rank was doing, or what a message carried. The raw value is the name that a trace file gives it.
package enum TraceKind: String, Hashable, Sendable, CaseIterable {
  case ownRows = "own rows"
  case remoteRows = "remote rows"
  case shadowedRows = "shadowed rows"
  case weightGradients = "weight gradients"
  case packing, unpacking, combining
  case otherWork = "other work"

  case manifest, dispatch, results
  /// Weights of a shadowed expert, from its owner.
  case shadows
  /// Parts of a sum over ranks: gradients.
  case sums
  case otherMessage = "other message"

  /// The two rows that a rank has in a timeline.
  package enum Lane: String, Hashable, Sendable, CaseIterable { case compute, message }

  package var lane: Lane {
    switch self {
    case .ownRows, .remoteRows, .shadowedRows, .weightGradients, .packing, .unpacking, .combining, .otherWork: .compute
    case .manifest, .dispatch, .results, .shadows, .sums, .otherMessage: .message
    }
  }

  /// Whether an expert's matmuls run, whoever's rows they are.
  package var isExpertWork: Bool {
    switch self {
    case .ownRows, .remoteRows, .shadowedRows, .weightGradients: true
    default: false
    }
  }
}
