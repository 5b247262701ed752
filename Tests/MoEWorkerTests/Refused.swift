import Foundation
import Testing

/// Checks that a run is refused the way the program promises: an exit code of the documented range, one line on
/// standard error that says what, where and what to do, within five seconds.
func expectRefusal(
  _ outcome: Program.Outcome, exitCode: Int32, saying expected: String..., location: SourceLocation = #_sourceLocation
) {
  #expect(outcome.exitCode == exitCode, "\(outcome)", sourceLocation: location)
  #expect(outcome.errorLines.count == 1, "\(outcome)", sourceLocation: location)
  #expect(outcome.errors.hasPrefix("moe-worker: "), "\(outcome)", sourceLocation: location)
  for text in expected { #expect(outcome.errors.contains(text), "\(outcome)", sourceLocation: location) }
  #expect(outcome.seconds < 5, "\(outcome)", sourceLocation: location)
}
