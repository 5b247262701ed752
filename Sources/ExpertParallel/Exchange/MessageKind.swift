import Communication

/// What a message of an exchange carries.
enum MessageKind: Int32 {
  case manifest, rows, results, gateGradients, parameters, parameterGradients

  /// A tag of its own for every kind of message of an exchange; exchanges far apart may share one.
  func tag(sequence: Int32) -> Tag { Tag((sequence & 0xffff) << 3 | rawValue) }
}
