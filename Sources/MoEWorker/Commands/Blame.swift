import ArgumentParser
import Communication
import FlightRecorder
import Foundation
import Glibc
import Watchdog

/// `blame`: why a job ended.
struct Blame: LookoutCommand {
  static let configuration = CommandConfiguration(
    commandName: "blame",
    abstract: "Says which rank of a run ended the job, why, and where each rank stood.")

  @Argument(help: ArgumentHelp("A run's directory: the --output of 'train'.", valueName: "run-dir"))
  var run: String

  func look() throws -> Int32 {
    let found = try RunRecords(of: run)
    for problem in found.problems { Console.complain("warning: \(problem)") }
    let console = Console(isSpeaker: true)
    if found.isAlive {
      try console.write("the job still runs: its ranks give signs of life")
    } else if let report = found.report {
      try console.stream(report.description)
    } else {
      try console.write("the job ended well")
    }
    return 0
  }
}

/// The records of a run.
struct RunRecords {
  private let records: [FlightRecord]
  private let watch: FlightRecord?
  /// A line for each file that is no record.
  let problems: [String]

  init(of run: String) throws(Refusal) {
    let folder = "\(run)/\(RecordFolder.name)"
    (records, watch, problems) = RecordReader.read(folder)
    guard !records.isEmpty else {
      throw Refusal(.missingInput, (problems.first ?? "\(folder): there are no records of a run in it"))
    }
  }

  private var rankCount: Int { records.map(\.rankCount).max() ?? 0 }
  var report: FailureReport? { FailureReport(records, watch: watch, rankCount: rankCount) }
  /// Whether somebody has printed the report.
  var isReported: Bool { (records + [watch].compactMap(\.self)).contains(where: \.isReported) }

  /// A rank of this machine that has not ended gave a sign of life a moment ago.
  var isAlive: Bool {
    let now = UInt64(max(0, Date().timeIntervalSince1970 * 1e9))
    return records.contains { record in
      let beat = record.wallTime(record.heartbeatAt)
      return record.end == nil && now < beat &+ Self.moment && kill(pid_t(record.processID), 0) == 0
    }
  }

  private static let moment: UInt64 = 1_500_000_000
}
