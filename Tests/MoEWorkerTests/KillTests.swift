import Foundation
import Glibc
import Testing

/// Whole jobs that are killed at random times and resumed. `launch/test-kills.sh` does it as often as one likes.
@Suite(.serialized) struct KillTests {
  private static let interval = 2
  private let folder: Folder
  private let text: String

  init() throws {
    folder = try Folder()
    text = try folder.write("text.txt", SampleText.make(bytes: 40_000))
  }

  private func arguments(_ output: String, _ more: [String] = []) -> [String] {
    [
      "train", "--corpus", text, "--output", folder.file(output), "--preset", "tiny", "--vocabulary-size", "280",
      "--steps", "40", "--sequence-length", "32", "--batch-tokens", "512", "--checkpoint-every", "\(Self.interval)",
      "--keep", "2", "--threads", "1",
    ] + more
  }

  @Test func loseAtMostOneIntervalAndEndWithTheSameWeights() throws {
    let whole = try Program.run(arguments("whole"), ranks: 4, limit: 120)
    #expect(whole.exitCode == 0, "\(whole)")
    var (saved, reached) = (0, 0)
    for kill in 1...5 {
      let seconds = Double.random(in: 0.3...whole.seconds)
      let output = try runAndKill(arguments("run", isBegun ? ["--resume"] : []), after: seconds)
      let start = lastNumber("from step ", in: output) ?? 0
      if output.contains("steps  ") {
        #expect(start >= saved, "kill \(kill): checkpoint-\(saved) had been saved\n\(output)")
        #expect(reached - start <= 2 * Self.interval, "kill \(kill): step \(reached) had been done\n\(output)")
      }
      saved = max(saved, lastNumber("/checkpoint-", in: output) ?? 0)
      reached = try lastStep()
    }
    let end = try Program.run(arguments("run", ["--resume"]), ranks: 4, limit: 120)
    #expect(end.exitCode == 0, "\(end)")
    let weights = { (run: String) in
      try Data(contentsOf: URL(fileURLWithPath: folder.file("\(run)/checkpoint-40/model.safetensors")))
    }
    #expect(try weights("run") == weights("whole"))
    let left = try FileManager.default.contentsOfDirectory(atPath: folder.file("run")).sorted()
    #expect(left == ["checkpoint-38", "checkpoint-40", "logs", "metrics.jsonl", "records"])
  }

  private var isBegun: Bool { FileManager.default.fileExists(atPath: folder.file("run")) }

  private func lastStep() throws -> Int {
    guard let lines = try? folder.text("run/metrics.jsonl") else { return 0 }
    return lastNumber("\"step\": ", in: lines) ?? lastNumber("\"step\":", in: lines) ?? 0
  }

  private func lastNumber(_ words: String, in text: String) -> Int? {
    text.components(separatedBy: words).dropFirst().last.flatMap { Int($0.prefix { $0.isNumber }) }
  }

  /// Starts a job on 4 ranks, kills every process of it at once unless it has ended by then, and returns what it said.
  private func runAndKill(_ arguments: [String], after seconds: Double) throws -> String {
    let mark = UUID().uuidString
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Program.launcher)
    process.arguments = ["-np", "4", Program.executable] + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(["SWITCHYARD_KILL_TEST": mark]) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try folder.newFile("output")
    process.standardError = try folder.newFile("errors")
    try process.runWithSignals()
    Thread.sleep(forTimeInterval: seconds)
    while case let victims = Self.processes(carrying: mark), !victims.isEmpty {
      for victim in victims { kill(victim, SIGKILL) }
      Thread.sleep(forTimeInterval: 0.02)
    }
    process.waitUntilExit()
    return try folder.text("output")
  }

  /// The processes that were started with a mark in their environment, and by those.
  private static func processes(carrying mark: String) -> [pid_t] {
    let numbers = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { pid_t($0) } ?? []
    return numbers.filter { number in
      let environment = FileManager.default.contents(atPath: "/proc/\(number)/environ") ?? Data()
      return environment.split(separator: 0).contains(Data("SWITCHYARD_KILL_TEST=\(mark)".utf8)[...])
    }
  }
}
