/// Something a rank has to say; under `mpirun` a line of its report file.
enum RankRecord: Codable, Hashable, Sendable {
  case began(processID: Int32)
  case failure(Failure)
  /// The body threw.
  case stopped(error: String)
  /// The process is dying from a signal.
  case signal(number: Int32)
  /// The body returned.
  case finished

  struct Failure: Codable, Hashable, Sendable {
    let file: String
    let line: Int
    let message: String
  }
}

/// What became of one run of a case, over all its ranks.
package struct CaseReport: Sendable, CustomStringConvertible {
  /// One rank's part.
  struct RankOutcome: Sendable {
    var records: [RankRecord] = []
    /// Where it was last.
    var standing = ""
    /// The last lines that it printed.
    var output: [String] = []
  }

  package let caseName: String
  /// Why the harness ended the run before its time, or what kept it from beginning.
  let interruption: String?
  let ranks: [RankOutcome]

  /// Every rank finished and found nothing wrong.
  package var isClean: Bool {
    interruption == nil && ranks.allSatisfy { $0.records.contains(.finished) && $0.problems.isEmpty }
  }

  /// One line per finding: `CASE, rank R of N: what and where`.
  package var description: String {
    let title = "\(caseName), on \(ranks.count) ranks"
    guard !isClean else { return "\(title): passed" }
    var lines = ["\(title): \(interruption ?? "failed")"]
    for (rank, outcome) in ranks.enumerated() {
      lines += outcome.lines.map { "  rank \(rank): \($0)" }
    }
    return lines.joined(separator: "\n")
  }
}

extension CaseReport.RankOutcome {
  fileprivate var problems: [String] {
    records.compactMap { record in
      switch record {
      case .began, .finished: nil
      case .failure(let failure): "\(failure.file):\(failure.line): \(failure.message)"
      case .stopped(let error): "stopped with an error (stood at \(place)): \(error)"
      case .signal(let number): "died from signal \(number), \(signalName(number)) (stood at \(place))"
      }
    }
  }

  /// The body returned or threw, or the process died with a word.
  var hasEnded: Bool {
    records.contains { record in
      switch record {
      case .finished, .stopped, .signal: true
      case .began, .failure: false
      }
    }
  }

  /// The findings; for a rank that came to no end also its place, and for one that ended badly its last words.
  fileprivate var lines: [String] {
    let isFine = records.contains(.finished)
    return problems + (hasEnded ? [] : ["did not end; stood at \(place)"]) + (isFine ? [] : output.map { "| \($0)" })
  }

  private var place: String { standing.isEmpty ? "its beginning" : standing }

  private func signalName(_ number: Int32) -> String {
    [
      4: "illegal instruction, as Swift traps are", 5: "trap", 6: "abort", 7: "bus error", 8: "arithmetic",
      11: "bad memory access",
    ][
      number] ?? "of another kind"
  }
}
