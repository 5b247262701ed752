import Foundation
import Testing

/// What docs/operations.md promises about the program is what the program says itself.
@Suite struct OperationsDocumentTests {
  @Test func listsEveryExitCodeOfTheProgramAndNoOther() throws {
    let help = try Program.run(["--help"]).output
    let codes = help.split(separator: "\n").compactMap { line in
      line.firstMatch(of: /^ +(\d+)  \S/).flatMap { Int($0.1) }
    }
    let document = try String(contentsOfFile: "\(FakeHosts.project)/docs/operations.md", encoding: .utf8)
    let section = document.components(separatedBy: "## Exit codes\n").last?.components(separatedBy: "\n## ").first ?? ""
    let documented = section.split(separator: "\n").compactMap { line in
      line.firstMatch(of: /^\| (\d+) \|/).flatMap { Int($0.1) }
    }
    #expect(codes.count == 17 && documented == codes, "\(codes) \(documented)")
  }
}
