import Communication
import Foundation
import Glibc

/// Where a rank writes. Of all ranks only the speaker does: results and progress to standard output, refusals to
/// standard error.
struct Console: Sendable {
  /// Whether this rank speaks for all.
  let isSpeaker: Bool
  /// Whether a person is likely to read along: standard output is a terminal, or the launch script says that what
  /// passes standard output on is one.
  let isInteractive: Bool

  init(isSpeaker: Bool) {
    self.isSpeaker = isSpeaker
    isInteractive = isatty(STDOUT_FILENO) == 1 || ProcessInfo.processInfo.environment["MOE_WORKER_TERMINAL"] == "1"
  }

  /// Writes a line of results.
  func write(_ line: String) throws(OutputError) {
    try stream(line + "\n")
  }

  /// Writes text as it comes, without ending the line.
  func stream(_ text: String) throws(OutputError) {
    guard isSpeaker else { return }
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    } catch {
      throw OutputError(reason: error.localizedDescription)
    }
  }

  /// Says why the job ends.
  func refuse(_ refusal: Refusal) {
    if isSpeaker { Self.complain(refusal.message) }
  }

  /// Lines on standard error that belong together, as they are.
  static func complain(block: String) { try? FileHandle.standardError.write(contentsOf: Data(block.utf8)) }

  /// One line on standard error, from whichever rank this is.
  static func complain(_ message: String) {
    let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
    try? FileHandle.standardError.write(contentsOf: Data("moe-worker: \(line)\n".utf8))
  }
}

/// Standard output takes no more: only the speaker knows, so this is no refusal that all ranks share.
struct OutputError: RefusalConvertible {
  let reason: String
  var refusal: Refusal { Refusal(.inputOutput, "cannot write to standard output: \(reason)") }
}
