import Foundation
import TestSupport
import Testing

/// `launch/cluster.sh` up to the point where hosts are asked: its arguments, and its parser of hosts files.
@Suite struct HostsFileTests {
  private func expectRefusal(
    _ outcome: Program.Outcome, exitCode: Int32, saying text: String, location: SourceLocation = #_sourceLocation
  ) {
    #expect(outcome.exitCode == exitCode && outcome.output.isEmpty, "\(outcome)", sourceLocation: location)
    #expect(outcome.errorLines.count == 1, "\(outcome)", sourceLocation: location)
    #expect(outcome.errors.hasPrefix("switchyard: "), "\(outcome)", sourceLocation: location)
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
    expectRefusal(outcome, exitCode: 66, saying: "/no-such-file does not exist")
    let folder = try Folder()
    expectRefusal(
      try Program.run(FakeHosts.script, ["--hosts", folder.path, "--", "doctor"], [:], limit: 20), exitCode: 65,
      saying: "is no file")
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

  /// Runs the parser alone over many files in one shell, and prints for each how it ended and what it read.
  private static let reader = """
    set -euo pipefail
    refuse() { printf '%s\\n' "$1" >&2; exit "$2"; }
    source "$1"
    for file in "$2"/*; do
      status=0
      answer=$( (read_hosts "$file"; printf '%s=' "${host_names[@]}" "${host_slots[@]}") 2>&1) || status=$?
      printf '%s %s\\n' "$status" "$answer"
    done
    """

  @Test func formsOfAGoodFileAreRead() throws {
    let folder = try Folder()
    let file = try folder.write("hosts", "# ours\n\n  node-1.example.org:4  # fast\nnode2\tslots=2\n10.0.0.7\nn_4")
    let outcome = try Program.run(
      "/bin/bash",
      [
        "-c", #"source "$1"; read_hosts "$2"; printf '%s,' "${host_names[@]}" "${host_slots[@]}" "${host_lines[@]}""#,
        "-", "\(FakeHosts.project)/launch/hosts-file.sh", file,
      ], [:], limit: 20)
    #expect(outcome.output == "node-1.example.org,node2,10.0.0.7,n_4,4,2,,,3,4,5,6,", "\(outcome)")
  }

  /// Whatever a file holds, it is read or refused in one line, with nothing in a name that a shell would interpret.
  @Test func mutatedFilesAreReadOrRefused() throws {
    let folder = try Folder()
    let mutator = Mutator(
      seeds: [Array("a:4\nnode2 slots=2 # x\n\n# c\n10.0.0.7\n".utf8)],
      words: ["slots=", ":", "#", "@", "-", "$(reboot)", "`reboot`", "'", "*", "a\n", "A", "1024", "\r"].map {
        Array($0.utf8)
      })
    let settings = FuzzSettings()
    let numbers = settings.numbers(share: 300)
    for number in numbers { try folder.write("files/\(number)", Data(mutator.input(number, seed: settings.seed))) }
    let outcome = try Program.run(
      "/bin/bash",
      ["-c", Self.reader, "-", "\(FakeHosts.project)/launch/hosts-file.sh", folder.file("files")], [:],
      limit: 60 + Double(numbers.count) / 20)
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.count == numbers.count && outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
    for line in lines {
      let isRead = line.wholeMatch(of: /0 [A-Za-z0-9._=\/ -]*/) != nil
      let isRefused = line.wholeMatch(of: /65 .*\/files\/[0-9]+(, line [0-9]+: .*| names no host)/) != nil
      #expect(isRead || isRefused, "\(line)")
    }
    #expect(numbers.count < 100 || Set(lines.map { $0.prefix(2) }) == ["0 ", "65"])
  }
}
