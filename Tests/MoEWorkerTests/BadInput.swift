import Foundation
import Testing

/// Something that the program must refuse: the files that make it, the command, and what the refusal has to say.
struct BadInput: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let exitCode: Int32
  let saying: [String]
  /// Makes the files and returns the arguments.
  let prepare: @Sendable (Folder) throws -> [String]

  init(
    _ description: String, exitCode: Int32, saying: [String], prepare: @escaping @Sendable (Folder) throws -> [String]
  ) {
    testDescription = description
    self.exitCode = exitCode
    self.saying = saying
    self.prepare = prepare
  }

  /// Runs the command and checks the refusal, and that nothing was written or changed.
  func check(ranks: Int, location: SourceLocation = #_sourceLocation) throws {
    let folder = try Folder()
    let arguments = try prepare(folder)
    let before = try folder.contents()
    let outcome = try Program.run(arguments, ranks: ranks)
    #expect(outcome.exitCode == exitCode, "\(outcome)", sourceLocation: location)
    #expect(outcome.errorLines.count == 1 && outcome.output.isEmpty, "\(outcome)", sourceLocation: location)
    #expect(outcome.errors.hasPrefix("moe-worker: "), "\(outcome)", sourceLocation: location)
    for text in saying { #expect(outcome.errors.contains(text), "\(outcome)", sourceLocation: location) }
    #expect(outcome.seconds < 5, "\(outcome)", sourceLocation: location)
    #expect(try folder.contents() == before, "files were written or changed", sourceLocation: location)
  }
}
