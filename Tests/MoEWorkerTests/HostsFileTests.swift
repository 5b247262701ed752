import Foundation
import TestSupport
import Testing

/// `launch/cluster.sh` up to the point where hosts are asked: its arguments, and the program's parser of hosts files.
@Suite struct HostsFileTests {
  private func expectRefusal(
    _ outcome: Program.Outcome, exitCode: Int32, saying text: String, location: SourceLocation = #_sourceLocation
  ) {
    #expect(outcome.exitCode == exitCode && outcome.output.isEmpty, "\(outcome)", sourceLocation: location)
    #expect(outcome.errorLines.count == 1, "\(outcome)", sourceLocation: location)
    #expect(
      outcome.errors.hasPrefix("switchyard: ") || outcome.errors.hasPrefix("moe-worker: "), "\(outcome)",
      sourceLocation: location)
    #expect(outcome.errors.contains(text), "\(outcome)", sourceLocation: location)
  }

  @Test(arguments: [
    ("", "subcommand is missing"),
    ("-- doctor", "--hosts is missing"),
    ("--hosts -- doctor", "--hosts needs a value"),
    ("--hosts h --", "subcommand is missing"),
    ("--hosts h --ranks-per-host 0 -- doctor", "--ranks-per-host 0"),
    ("--hosts h --ranks-per-host 1025 -- doctor", "--ranks-per-host 1025"),
    ("--hosts h --ranks-per-host two -- doctor", "--ranks-per-host two"),
    ("--hosts h --threads -1 -- doctor", "--threads -1"),
    ("--hosts h --threads 99999999999999999999 -- doctor", "--threads 9999"),
    ("--hosts h --launcher rsh -- doctor", "--launcher is no option"),
  ])
  func impossibleArgumentsAreRefused(arguments: String, saying text: String) throws {
    let words = arguments.split(separator: " ").map(String.init)
    expectRefusal(try Program.run(FakeHosts.script, words, [:], limit: 20), exitCode: 64, saying: text)
  }

  @Test func aFileThatIsMissingIsRefused() throws {
    let outcome = try Program.run(FakeHosts.script, ["--hosts", "/no-such-file", "--", "doctor"], [:], limit: 20)
    expectRefusal(outcome, exitCode: 66, saying: "/no-such-file")
    let folder = try Folder()
    expectRefusal(
      try Program.run(FakeHosts.script, ["--hosts", folder.path, "--", "doctor"], [:], limit: 20), exitCode: 65,
      saying: "not a regular file")
  }

  @Test(arguments: [
    ("", "names no host"),
    ("# a\n\n", "names no host"),
    ("a\nb c\n", "line 2: one host a line"),
    ("a\n\nb:\n", "line 3: the number of ranks is missing"),
    ("a:0\n", "line 1: the number of ranks must be"),
    ("a:1025\n", "line 1: the number of ranks must be"),
    ("a:+1\n", "line 1: the number of ranks must be"),
    ("a:1:2\n", "line 1: the number of ranks must be"),
    ("a slots=\n", "line 1: slots= needs a number"),
    ("a slots=many\n", "line 1: the number of ranks must be"),
    ("a:2 slots=2\n", "line 1: the number of ranks is given twice"),
    ("me@a\n", "line 1: the user of a host"),
    ("# two\n-oProxyCommand=x\n", "line 2: no host name"),
    ("a;reboot\n", "line 1: no host name"),
    ("$(reboot)\n", "line 1: no host name"),
    ("a,b\n", "line 1: no host name"),
    ("fe80::1\n", "line 1: the number of ranks must be"),
    ("a\nb\nA:2\n", "line 3: A is in line 1 already"),
    ("a\nb\r\n", "line 2: only printable ASCII"),
    ("a\u{0}b\n", "line 1: only printable ASCII"),
    ("a\nbé\n", "line 2: only printable ASCII"),
    (String(repeating: "a", count: 254) + "\n", "line 1: no host name"),
    ((0...1024).map { "h\($0)\n" }.joined(), "line 1025: more than 1024 hosts"),
  ])
  func lineOfABadFileIsNamed(text: String, saying message: String) throws {
    let folder = try Folder()
    let file = try folder.write("hosts", text)
    expectRefusal(
      try Program.run(FakeHosts.script, ["--hosts", file, "--", "doctor"], [:], limit: 20), exitCode: 65,
      saying: message)
  }

  @Test func formsOfAGoodFileAreRead() throws {
    let folder = try Folder()
    let file = try folder.write("hosts", "# ours\n\n  node-1.example.org:4  # fast\nnode2\tslots=2\n10.0.0.7\nn_4")
    let outcome = try Program.run(FakeHosts.worker, ["hosts", file], [:], limit: 20)
    #expect(outcome.output == "node-1.example.org 4 3\nnode2 2 4\n10.0.0.7 - 5\nn_4 - 6\n", "\(outcome)")
  }
}
