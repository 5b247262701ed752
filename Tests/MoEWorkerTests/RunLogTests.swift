import Foundation
import Testing

/// What ranks write down for programs beside what rank 0 says to people.
@Suite(.serialized) struct RunLogTests {
  let folder: Folder
  let text: String

  init() throws {
    folder = try Folder()
    text = try folder.write("text.txt", SampleText.make(bytes: 40_000))
  }

  private func train(_ more: String..., ranks: Int = 2, faults: String? = nil) throws -> Program.Outcome {
    try Program.run(
      SmallRun.training(on: text, into: folder.file("run"), more), ranks: ranks,
      environment: faults.map { ["SWITCHYARD_FAILPOINT": $0] } ?? [:])
  }

  private struct Line: Decodable {
    struct Fields: Decodable {
      let exit_code: Int?
      let checkpoint_step: Int?
      let resumed: Bool?
      let ranks: Int?
    }
    let time: String
    let level: String
    let rank: Int
    let host: String
    let step: Int?
    let message: String
    let fields: Fields?
  }

  private func lines(rank: Int) throws -> [Line] {
    try folder.text("run/logs/rank-\(rank).jsonl").split(separator: "\n").map {
      try JSONDecoder().decode(Line.self, from: Data($0.utf8))
    }
  }

  @Test func everyRankHasAFileOfItsOwn() throws {
    let outcome = try train()
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
    for rank in 0..<2 {
      let lines = try lines(rank: rank)
      #expect(lines.first?.message == "training begins" && lines.first?.fields?.ranks == 2)
      #expect(lines.first?.step == nil)
      #expect(lines.last?.message == "ended" && lines.last?.fields?.exit_code == 0)
      #expect(lines.compactMap(\.fields?.checkpoint_step) == [2, 4, 6])
      for line in lines {
        #expect(line.rank == rank && !line.host.isEmpty && line.level == "info")
        #expect((try? Date(line.time, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))) != nil)
      }
      #expect(try #require(lines.last { $0.message == "checkpoint saved" }?.step) == 6)
    }
  }

  @Test func warningsAreOnTheTerminalOnceAndInEveryFile() throws {
    let outcome = try train("--vocabulary-size", "400")
    #expect(outcome.exitCode == 0 && outcome.errorLines.count == 1, "\(outcome)")
    for rank in 0..<2 {
      let warnings = try lines(rank: rank).filter { $0.level == "warning" }
      #expect(warnings.count == 1 && warnings[0].message.contains("vocabulary"))
    }
  }

  @Test func aResumedRunGoesOnInTheSameFile() throws {
    _ = try train("--stop-after", "2")
    let path = folder.file("run/logs/rank-1.jsonl")
    let before = try folder.text("run/logs/rank-1.jsonl")
    // What a killed process has left of a line.
    try Data((before + #"{"time": "20"#).utf8).write(to: URL(fileURLWithPath: path))
    #expect(try train("--resume").exitCode == 0)
    #expect(try folder.text("run/logs/rank-1.jsonl").hasPrefix(before))
    let begun = try lines(rank: 1).filter { $0.message == "training begins" }
    #expect(begun.map { $0.fields?.resumed } == [false, true])
  }

  @Test func howARunWasStoppedIsWrittenDown() throws {
    #expect(try train(faults: "rank=1,phase=forward,step=3:terminate").exitCode == 79)
    for rank in 0..<2 {
      let last = try #require(try lines(rank: rank).last)
      #expect(last.level == "notice" && last.fields?.exit_code == 79 && last.message.contains("after step 3"))
    }
  }

  @Test func aLogThatCannotBeWrittenIsAWarning() throws {
    _ = try train("--stop-after", "2")
    try FileManager.default.removeItem(atPath: folder.file("run/logs"))
    try folder.write("run/logs", "in the way")
    let outcome = try train("--resume")
    #expect(outcome.exitCode == 0 && outcome.errorLines.count == 1, "\(outcome)")
    #expect(outcome.errors.contains("logs/rank-0.jsonl") && outcome.errors.contains("1 more"), "\(outcome)")
    #expect(outcome.output.contains("checkpoint-6"), "\(outcome)")
  }
}
