import Communication
import FlightRecorder
import Foundation
import Watchdog

/// The records of a run.
struct RunRecords {
  let ranks: [FlightRecord]
  private let watch: FlightRecord?
  /// A line for each file that is no record.
  let problems: [String]

  init(of run: String) throws(Refusal) {
    let folder = "\(run)/\(RecordFolder.name)"
    for path in [run, folder]
    where FileManager.default.fileExists(atPath: path) && !FileManager.default.isReadableFile(atPath: path) {
      throw Refusal(.noPermission, "\(path): it may not be read; ask whoever started the run")
    }
    guard (try? FileManager.default.contentsOfDirectory(atPath: run)) != nil else {
      throw Refusal(.missingInput, "\(run): there is no such directory; give the --output of 'train'")
    }
    (ranks, watch, problems) = RecordReader.read(folder)
    guard !ranks.isEmpty else {
      throw Refusal(.missingInput, (problems.first ?? "\(folder): there are no records of a run in it"))
    }
  }

  var rankCount: Int { ranks.map(\.rankCount).max() ?? 0 }
  var report: FailureReport? { FailureReport(ranks, watch: watch, rankCount: rankCount) }
  /// Whether somebody has printed the report.
  var isReported: Bool { (ranks + [watch].compactMap(\.self)).contains(where: \.isReported) }

  /// A rank of this machine that has not ended gave a sign of life a moment ago.
  var isAlive: Bool {
    let now = UInt64(max(0, Date().timeIntervalSince1970 * 1e9))
    return ranks.contains { record in
      let beat = record.wallTime(record.heartbeatAt)
      return record.end == nil && now < beat &+ Self.moment && RunningProcess(record.processID) != nil
    }
  }

  /// In nanoseconds; ranks give a sign at least once a second.
  static let moment: UInt64 = 1_500_000_000
}
