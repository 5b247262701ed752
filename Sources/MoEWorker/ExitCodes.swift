import Communication

/// What the program's exit codes mean: those of BSD's `sysexits.h`, one for a job that was asked to stop, one for silent
/// errors, and one for training that has no numbers any more.
enum ExitCodes {
  static func meaning(of kind: Refusal.Kind) -> String {
    switch kind {
    case .usage: "the arguments contradict each other or the machine"
    case .invalidData: "a file holds something else than it should"
    case .missingInput: "a file that should be read is not there"
    case .hostDiffers: "the ranks or their hosts do not agree on arguments, files or processors"
    case .unavailable: "something the program needs is not available"
    case .internalError: "a mistake of the program itself"
    case .systemError: "the operating system refused something"
    case .cannotCreate: "an output cannot be made, or exists already"
    case .inputOutput: "reading or writing failed on the way"
    case .peerLost: "another rank failed or stopped answering"
    case .protocolViolation: "another rank sent something unexpected"
    case .noPermission: "a file may not be read or written"
    case .configuration: "a model's configuration is contradictory or not supported"
    case .stopped: "stopped on request after saving; go on with --resume"
    case .replicasDiffer: "a rank's memory or processor made an error; go on with --resume, without its host"
    case .diverged: "the loss or its gradient is no number any more; the weights are still those before the step"
    }
  }

  static let table: String =
    (["   0  done"] + Refusal.Kind.allCases.map { "  \($0.rawValue)  \(meaning(of: $0))" }).joined(separator: "\n")
}
