import Checkpoints
import Communication
import FlightRecorder
import Foundation
import Watchdog

/// How a run goes, or how it has ended: what its records, its metrics and its checkpoints say, read from outside.
struct RunStatus {
  enum State: Equatable {
    case running(aliveRanks: Int)
    /// Nothing of it is on this host, and no sign of life has come for so many seconds.
    case silent(seconds: Double)
    case finished
    /// On request, after saving.
    case stopped
    /// All ranks together, with this exit code.
    case refused(exitCode: Int32, reason: String)
    /// One rank is to blame.
    case failed(rank: Int, reason: String)
    /// Nobody has left a word.
    case lost
  }

  struct SavedCheckpoint {
    let step: Int
    let path: String
    /// Seconds; nil where the file system does not say.
    let age: Double?
  }

  let run: String
  let state: State
  let rankCount: Int
  let ranks: [RankStatus]
  let measurement: LastMeasurement?
  let checkpoint: SavedCheckpoint?
  /// What is not as it should be, a line each.
  let problems: [String]

  init(of run: String, metrics: String?, seenFrom host: String, at now: Double = Date().timeIntervalSince1970)
    throws(Refusal)
  {
    let records = try RunRecords(of: run)
    self.run = run
    rankCount = records.rankCount
    ranks = records.ranks.map { RankStatus($0, seenFrom: host, at: now) }
    state = Self.state(ranks, records)
    measurement = LastMeasurement.read(metrics ?? "\(run)/metrics.jsonl")
    var problems = records.problems
    if measurement == nil, let metrics { problems.append("\(metrics) has no line of metrics") }
    do throws(CheckpointError) {
      let newest = try RunDirectory(run).newestCheckpoint()
      problems += newest?.passedOver.map { "a newer checkpoint is not complete: \($0)" } ?? []
      checkpoint = newest.map { SavedCheckpoint($0, at: now) }
    } catch {
      problems.append("no checkpoint is complete: \(error)")
      checkpoint = nil
    }
    self.problems = problems
  }

  private static func state(_ ranks: [RankStatus], _ records: RunRecords) -> State {
    let alive = ranks.count { $0.life == .alive }
    if alive > 0 { return .running(aliveRanks: alive) }
    if let failure = records.report?.cause, let rank = failure.rank { return .failed(rank: rank, reason: failure.text) }
    let unheard = ranks.filter { $0.life == .unknown }
    if let silence = unheard.map(\.silence).min(), unheard.count == ranks.count { return .silent(seconds: silence) }
    let ends = ranks.compactMap(\.record.end)
    guard ends.count == records.rankCount, let worst = ends.max(by: { $0.code < $1.code }) else { return .lost }
    switch worst.code {
    case 0: return .finished
    case Refusal.Kind.stopped.rawValue: return .stopped
    default: return .refused(exitCode: worst.code, reason: worst.text)
    }
  }

  /// The last step whose measurements are known, or else the one that the ranks are in.
  var step: Int? { measurement?.step ?? ranks.compactMap(\.record.standing?.step).max() ?? checkpoint?.step }

  /// The step that the run ends with.
  var lastStep: Int? { ranks.compactMap(\.record.lastStep).max() }
}

extension RunStatus.SavedCheckpoint {
  fileprivate init(_ checkpoint: RunDirectory.Checkpoint, at now: Double) {
    let attributes = try? FileManager.default.attributesOfItem(atPath: checkpoint.path)
    let time = (attributes?[.modificationDate] as? Date)?.timeIntervalSince1970
    self.init(step: checkpoint.step, path: checkpoint.path, age: time.map { max(0, now - $0) })
  }
}
