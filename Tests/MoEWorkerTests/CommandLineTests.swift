import Foundation
import Testing

@Suite(.serialized) struct CommandLineTests {
  @Test(arguments: [1, 4]) func helpIsPrintedOnce(ranks: Int) throws {
    let outcome = try Program.run(["--help"], ranks: ranks)
    #expect(outcome.exitCode == 0)
    #expect(outcome.errors.isEmpty)
    #expect(outcome.output.components(separatedBy: "USAGE:").count == 2, "\(outcome)")
  }

  @Test func everySubcommandExplainsItself() throws {
    let listed = try subcommands(of: []) + subcommands(of: ["bench"])
    #expect(listed.count >= 16)
    for subcommand in listed + [["hosts"], ["watch"]] {
      let outcome = try Program.run(subcommand + ["--help"])
      #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
      #expect(outcome.output.contains("USAGE: moe-worker \(subcommand.joined(separator: " "))"), "\(outcome)")
      let options = outcome.output.matches(of: #/\n  (?:-[a-z], )?(--[a-z-]+)/#).map { String($0.1) }
      #expect(options.count == Set(options).count, "two options of one name: \(options)")
    }
  }

  /// Those that the help lists: lines of a name and its description.
  private func subcommands(of command: [String]) throws -> [[String]] {
    let help = try Program.run(command + ["--help"]).output
    let lines = help.split(separator: "\n").drop { !$0.hasPrefix("SUBCOMMANDS:") }
    return lines.compactMap { $0.firstMatch(of: #/^  ([a-z]+) /#).map { command + [String($0.1)] } }
  }

  @Test func theHelpListsEveryExitCode() throws {
    let help = try Program.run(["--help"]).output
    for code in [64, 65, 66, 68, 69, 70, 71, 73, 74, 75, 76, 77, 78, 79, 80, 81] {
      #expect(help.contains("  \(code)  "))
    }
  }

  @Test(arguments: [1, 4]) func anUnknownSubcommandIsRefused(ranks: Int) throws {
    expectRefusal(
      try Program.run(["frobnicate"], ranks: ranks), exitCode: 64, saying: "frobnicate", "moe-worker --help")
  }

  @Test(arguments: [1, 4]) func anUnknownFlagIsRefused(ranks: Int) throws {
    expectRefusal(
      try Program.run(["doctor", "--frobnicate"], ranks: ranks), exitCode: 64, saying: "--frobnicate", "doctor --help")
  }

  @Test func aNameThatNoOptionHasIsRefusedSoonHoweverLong() throws {
    let name = "--preset" + String(repeating: "[", count: 100_000)
    let outcome = try Program.run(["train", name])
    expectRefusal(outcome, exitCode: 64, saying: "--preset[", "moe-worker --help")
    #expect(outcome.seconds < 5 && outcome.errors.count < 500)
  }

  @Test(arguments: ["0", "-3", "x", "1.5", "99999999999999999999", ""]) func anImpossibleCountIsRefused(count: String)
    throws
  {
    let outcome = try Program.run(["bench", "matmul", "--repeat", count])
    expectRefusal(outcome, exitCode: 64, saying: "--repeat", "moe-worker bench matmul --help")
  }

  @Test func ranksWithDifferentArgumentsAreRefused() throws {
    let outcome = try Program.run(jobs: [(2, ["doctor"]), (1, ["bench", "matmul"])])
    expectRefusal(outcome, exitCode: 68, saying: "rank 2", "same")
  }

  @Test func processesThatAnotherMPIStartedAreRefused() throws {
    let outcome = try Program.run(["doctor"], environment: ["OMPI_COMM_WORLD_SIZE": "4"])
    expectRefusal(outcome, exitCode: 69, saying: "Open MPI", "mpirun.mpich")
  }

  @Test func outputThatNobodyTakesIsRefused() throws {
    let outcome = try Program.run("/bin/sh", ["-c", "'\(Program.executable)' doctor > /dev/full"], [:], limit: 60)
    expectRefusal(outcome, exitCode: 74, saying: "standard output")
  }
}

@Suite(.serialized) struct DoctorTests {
  @Test(arguments: [1, 3]) func saysWhatItFinds(ranks: Int) throws {
    let outcome = try Program.run(["doctor"], ranks: ranks)
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
    for text in ["ranks: \(ranks)", "hosts: 1", "MPICH", "oneDNN", "cores", "threads", "huge pages"] {
      #expect(outcome.output.contains(text), "\(text) is missing: \(outcome)")
    }
  }

  @Test func warnsOfMoreRanksThanCores() throws {
    let ranks = ProcessInfo.processInfo.activeProcessorCount + 1
    let outcome = try Program.run(["doctor"], ranks: ranks)
    #expect(outcome.output.contains("\(ranks) ranks share"), "\(outcome)")
  }
}

@Suite(.serialized) struct MatmulBenchmarkTests {
  @Test(arguments: [1, 2]) func writesOneLinePerShape(ranks: Int) throws {
    let outcome = try Program.run(["bench", "matmul", "--json", "--repeat", "1", "--threads", "1"], ranks: ranks)
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
    let lines = outcome.output.split(separator: "\n")
    #expect(lines.count == 3, "\(outcome)")
    for line in lines {
      let fields = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      #expect(fields["ranks"] as? Int == ranks && fields["threads"] as? Int == 1)
      #expect(fields["gflops"] as? Double ?? 0 > 1 && fields["milliseconds"] as? Double ?? 0 > 0)
    }
  }
}
