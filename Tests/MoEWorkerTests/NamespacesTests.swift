import Foundation
import Glibc
import TestSupport
import Testing

/// `launch/namespaces.sh`, and what it leaves behind.
struct Cluster {
  let outcome: Program.Outcome
  /// Namespaces and files of the run that are still there.
  let leftovers: [String]

  /// Runs the script with its arguments separated by spaces, and a command.
  ///
  /// - Parameters:
  ///   - script: `namespaces.sh`, or one that calls it.
  ///   - signal: sent to the script when the command has written a line on every rank.
  init(
    script: String = TestHosts.script, _ options: String, _ command: [String], signal: Int32? = nil, ranks: Int = 2,
    limit: Double = 60
  ) throws {
    let (folder, temporary) = (try Folder(), try Folder())
    let process = Process()
    // Whatever runs the tests may have these signals ignored, and a shell cannot trap what was ignored when it began.
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments =
      ["--default-signal=INT,TERM", script] + options.split(separator: " ").map(String.init) + command
    process.environment = ProcessInfo.processInfo.environment.merging(["TMPDIR": temporary.path]) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try folder.newFile("output")
    process.standardError = try folder.newFile("errors")
    var start = Date()
    try process.runWithSignals()
    if let signal {
      while process.isRunning, try folder.text("output").filter(\.isNewline).count < ranks,
        Date().timeIntervalSince(start) < limit
      { Thread.sleep(forTimeInterval: 0.02) }
      start = Date()
      kill(process.processIdentifier, signal)
    }
    while process.isRunning && Date().timeIntervalSince(start) < limit { Thread.sleep(forTimeInterval: 0.02) }
    let seconds = Date().timeIntervalSince(start)
    let isFinished = !process.isRunning
    if !isFinished { process.terminate() }
    process.waitUntilExit()
    outcome = Program.Outcome(
      exitCode: isFinished ? process.terminationStatus : -1, output: try folder.text("output"),
      errors: try folder.text("errors"), seconds: seconds)
    let namespaces = (try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []
    leftovers =
      namespaces.filter { $0.hasPrefix("switchyard\(process.processIdentifier)-") }
      // `swift --version`, which the script asks, leaves an empty folder of this name wherever it runs.
      + (try FileManager.default.contentsOfDirectory(atPath: temporary.path)).filter {
        !$0.hasPrefix("TemporaryDirectory.")
      }
  }
}

@Suite struct NamespacesArgumentTests {
  @Test(arguments: [
    ("", "command is missing"),
    ("--hosts 2 --rate 1gbit", "command is missing"),
    ("--hosts 2 --rate 1gbit --", "command is missing"),
    ("--hosts 0 --rate 1gbit -- true", "--hosts 0"),
    ("--hosts -2 --rate 1gbit -- true", "--hosts -2"),
    ("--hosts two --rate 1gbit -- true", "--hosts two"),
    ("--hosts 251 --rate 1gbit -- true", "--hosts 251"),
    ("--hosts 99999999999999999999 --rate 1gbit -- true", "--hosts 9999"),
    ("--rate 1gbit -- true", "--hosts is missing"),
    ("--hosts 2 -- true", "--rate is missing"),
    ("--hosts 2 --rate -- true", "--rate needs a value"),
    ("--hosts 2 --rate fast -- true", "--rate fast"),
    ("--hosts 2 --rate 1 -- true", "--rate 1"),
    ("--hosts 2 --rate 0gbit -- true", "--rate 0gbit"),
    ("--hosts 2 --rate -1gbit -- true", "--rate -1gbit"),
    ("--hosts 2 --rate 5000gbit -- true", "--rate 5000gbit"),
    ("--hosts 2 --rate 1gbit --ranks-per-host 0 -- true", "--ranks-per-host 0"),
    ("--hosts 250 --rate 1gbit --ranks-per-host 100 -- true", "more than 1024 ranks"),
    ("--hosts 2 --rate 1gbit --groups 3 --uplink 1gbit -- true", "--groups 3"),
    ("--hosts 2 --rate 1gbit --groups 0 --uplink 1gbit -- true", "--groups 0"),
    ("--hosts 2 --rate 1gbit --groups 2 -- true", "--uplink is missing"),
    ("--hosts 2 --rate 1gbit --groups 2 --uplink slow -- true", "--uplink slow"),
    ("--hosts 2 --rate 1gbit --uplink 1gbit -- true", "needs --groups"),
    ("--hosts 2 --rate 1gbit --latency 1 -- true", "--latency is no option"),
  ])
  func impossibleArgumentsAreRefused(options: String, saying: String) throws {
    let cluster = try Cluster(options, [])
    let outcome = cluster.outcome
    #expect(outcome.exitCode == 64 && outcome.output.isEmpty, "\(outcome)")
    #expect(outcome.errorLines.count == 1 && outcome.errors.hasPrefix("switchyard: "), "\(outcome)")
    #expect(outcome.errors.contains(saying) && cluster.leftovers.isEmpty, "\(outcome)")
  }

  @Test(.enabled(if: geteuid() != 0, "runs as root, who may make namespaces"))
  func usersAreToldThatRootIsNeeded() throws {
    let outcome = try Cluster("--hosts 2 --rate 1gbit --", ["true"]).outcome
    #expect(outcome.exitCode == 69 && outcome.errorLines.count == 1 && outcome.errors.contains("root"), "\(outcome)")
  }
}

@Suite(.serialized, .enabled(if: TestHosts.canBeMade, Comment(rawValue: TestHosts.requirement)))
struct NamespacesTests {
  @Test func ranksKnowTheirHosts() throws {
    let cluster = try Cluster("--hosts 2 --rate 1gbit --ranks-per-host 2 --", ["moe-worker", "doctor"])
    #expect(cluster.outcome.exitCode == 0 && cluster.outcome.errors.isEmpty, "\(cluster.outcome)")
    for text in ["ranks: 4, hosts: 2", "host0: ranks 0, 1", "host1: ranks 2, 3"] {
      #expect(cluster.outcome.output.contains(text), "\(text) is missing: \(cluster.outcome)")
    }
    #expect(cluster.leftovers.isEmpty)
  }

  @Test func theExitCodeIsPassedOn() throws {
    for (command, exitCode) in [(["sh", "-c", "exit 7"], Int32(7)), (["moe-worker", "frobnicate"], 64)] {
      let cluster = try Cluster("--hosts 2 --rate 1gbit --", command)
      #expect(cluster.outcome.exitCode == exitCode, "\(cluster.outcome)")
      #expect(cluster.leftovers.isEmpty)
    }
  }

  @Test func aCommandThatDoesNotExistIsRefused() throws {
    let cluster = try Cluster("--hosts 2 --rate 1gbit --", ["no-such-program"])
    #expect(cluster.outcome.exitCode == 66 && cluster.outcome.errorLines.count == 1, "\(cluster.outcome)")
    #expect(cluster.leftovers.isEmpty)
  }

  @Test(arguments: [(signal: SIGINT, exitCode: Int32(130)), (signal: SIGTERM, exitCode: Int32(143))])
  func anInterruptedRunIsTakenDown(signal: Int32, exitCode: Int32) throws {
    let cluster = try Cluster("--hosts 2 --rate 1gbit --", ["sh", "-c", "echo here; sleep 100"], signal: signal)
    #expect(cluster.outcome.exitCode == exitCode && cluster.outcome.seconds < 10, "\(cluster.outcome)")
    #expect(cluster.leftovers.isEmpty)
  }

  /// 25 and 12.5 MB/s, of which the packets' headers take some.
  @Test(arguments: [
    ("--hosts 2 --rate 200mbit --", 0.025), ("--hosts 2 --rate none --groups 2 --uplink 100mbit --", 0.0125),
  ])
  func linksHaveTheRate(options: String, most: Double) throws {
    let command = ["moe-worker", "bench", "exchange", "--bytes", "262144", "--repeat", "3", "--json"]
    let cluster = try Cluster(options, command)
    let outcome = cluster.outcome
    let fields = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect(fields["hosts"] as? Int == 2, "\(outcome)")
    #expect(fields["gigabytes_per_second"] as? Double ?? 1 < 1.05 * most, "\(outcome)")
    #expect(cluster.leftovers.isEmpty)
  }

  @Test func ranksOfOneHostShareMemory() throws {
    let command = ["moe-worker", "bench", "exchange", "--bytes", "262144", "--repeat", "3", "--json"]
    let outcome = try Cluster("--hosts 1 --rate 1mbit --ranks-per-host 2 --", command).outcome
    let fields = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect(fields["gigabytes_per_second"] as? Double ?? 0 > 0.01, "\(outcome)")
  }

  /// Row B over a network: a host whose link is taken down, and one whose ranks are stopped, is named within the limit, and
  /// nothing of the job is left.
  @Test func aHostOutOfReachIsNamedAndNothingIsLeft() throws {
    let cluster = try Cluster(script: TestHosts.path(of: "test-faults.sh"), "links", [], limit: 180)
    let outcome = cluster.outcome
    #expect(outcome.exitCode == 0 && outcome.output.contains("2 runs, 0 failed"), "\(outcome)")
    #expect(cluster.leftovers.isEmpty)
  }
}
