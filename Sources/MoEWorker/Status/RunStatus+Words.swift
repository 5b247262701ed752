import FlightRecorder
import Foundation

// MARK: For people

extension RunStatus {
  /// A line for the run, its step and its checkpoint, and one for each rank.
  var description: String {
    var lines = [line("run", run), line("state", stateText), line("step", stepText)]
    lines.append(line("checkpoint", checkpointText))
    lines += ranks.map { line("rank \($0.record.rank)", $0.description) }
    let missing = rankCount - ranks.count
    if missing > 0 { lines.append(line("", "ranks without a record here: \(missing)")) }
    return lines.joined(separator: "\n") + "\n"
  }

  private func line(_ name: String, _ text: String) -> String {
    name + String(repeating: " ", count: max(1, 13 - name.count)) + text
  }

  private var stateText: String {
    switch state {
    case .running(let alive): "running: \(alive) of \(rankCount) ranks alive"
    case .silent(let seconds): "no sign of life for \(Age.text(seconds)); its ranks are on other hosts"
    case .finished: "finished"
    case .stopped: "stopped on request after saving; go on with --resume"
    case .refused(let code, let reason): "ended with exit code \(code): \(reason)"
    case .failed(let rank, let reason): "failed: rank \(rank): \(reason); 'moe-worker blame \(run)' says more"
    case .lost: "lost: it does not run, and no rank has left a word of why"
    }
  }

  private var stepText: String {
    guard let step else { return "none done yet" }
    var parts = ["\(step)" + (lastStep.map { " of \($0)" } ?? "")]
    if let loss = measurement?.loss { parts.append(String(format: "loss %.4f", loss)) }
    if let rate = measurement?.tokensPerSecond { parts.append(String(format: "%.0f tokens/s", rate)) }
    if let loss = measurement?.heldOutLoss { parts.append(String(format: "held-out loss %.4f", loss)) }
    return parts.joined(separator: ", ")
  }

  private var checkpointText: String {
    guard let checkpoint else { return "none" }
    return "step \(checkpoint.step)" + (checkpoint.age.map { ", \(Age.text($0)) old" } ?? "")
  }
}

// MARK: For programs

extension RunStatus {
  var json: JSONLine {
    var line = JSONLine(["run": .text(run), "state": .text(stateName), "ranks": .integer(rankCount)])
    switch state {
    case .refused(let code, let reason):
      line.append("exit_code", .integer(Int(code)))
      line.append("reason", .text(reason))
    case .failed(let rank, let reason):
      line.append("failed_rank", .integer(rank))
      line.append("reason", .text(reason))
    case .running, .silent, .finished, .stopped, .lost: break
    }
    line.append("step", .known(step))
    line.append("last_step", .known(lastStep))
    line.append("loss", .known(measurement?.loss, digits: 9))
    line.append("held_out_loss", .known(measurement?.heldOutLoss, digits: 9))
    line.append("tokens_per_second", .known(measurement?.tokensPerSecond))
    line.append("checkpoint", checkpoint.map { .object($0.json) } ?? .null)
    line.append("rank_records", .objects(ranks.map(\.json)))
    return line
  }

  private var stateName: String {
    switch state {
    case .running: "running"
    case .silent: "silent"
    case .finished: "finished"
    case .stopped: "stopped"
    case .refused: "refused"
    case .failed: "failed"
    case .lost: "lost"
    }
  }
}

extension RunStatus.SavedCheckpoint {
  fileprivate var json: JSONLine {
    JSONLine([
      "step": .integer(step), "path": .text(path), "age_seconds": .known(age),
    ])
  }
}
