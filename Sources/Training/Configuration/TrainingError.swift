package import Communication

/// Why a training run cannot start or go on; the message says what, where and what to do.
package struct TrainingError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: String, Hashable, Sendable {
    /// A flag has a value that cannot work.
    case impossibleFlag
    /// A flag contradicts the checkpoint that the run goes on from.
    case contradictsCheckpoint
    /// A checkpoint's `trainer_state.json` cannot be understood.
    case unreadableState
    /// The loss or its gradient is no number any more.
    case diverged
    /// A file of the run could not be read or written.
    case inputOutput
    /// A file cannot be made, or somebody's is there.
    case cannotCreate
  }

  package let code: Code
  package let message: String

  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { message }
}

extension TrainingError: RefusalConvertible {
  package var refusal: Refusal {
    let kind: Refusal.Kind =
      switch code {
      case .impossibleFlag: .usage
      case .contradictsCheckpoint: .configuration
      case .unreadableState: .invalidData
      case .diverged: .diverged
      case .inputOutput: .inputOutput
      case .cannotCreate: .cannotCreate
      }
    return Refusal(kind, message)
  }
}
