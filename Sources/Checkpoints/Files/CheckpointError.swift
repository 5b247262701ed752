package import Communication

/// Something about a model's files that stops the job: what, in which file and tensor, and what to do.
package struct CheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// A file or directory is not there.
    case missing
    /// A file is not what its format says.
    case malformed
    /// The content of one of our own files is not what was written.
    case damaged
    /// Two things that are each fine do not fit together: configuration and weights, index and file.
    case contradiction
    /// A setting that changes arithmetic and that this program does not compute.
    case unsupported
    /// The place for new files is taken.
    case occupied
    /// An operation on a file failed with this `errno`.
    case operationFailed(FileOperation, errno: Int32)
  }

  package let code: Code
  package let path: String
  package let tensor: String?
  package let message: String

  package init(_ code: Code, _ path: String, tensor: String? = nil, _ message: String) {
    self.code = code
    self.path = path
    self.tensor = tensor
    self.message = message
  }

  /// One line whatever the names contain, which come from files.
  package var description: String {
    let place = tensor.map { "\(path): tensor \($0)" } ?? path
    return "\(place): \(message)".map { $0.isNewline ? " " : String($0) }.joined()
  }
}

extension CheckpointError: RefusalConvertible {
  package var refusal: Refusal { Refusal(kind, description) }

  private var kind: Refusal.Kind {
    switch code {
    case .missing: .missingInput
    case .malformed, .damaged, .contradiction: .invalidData
    case .unsupported: .configuration
    case .occupied: .cannotCreate
    case .operationFailed(let operation, let errno): operation.refusalKind(errno: errno)
    }
  }
}
