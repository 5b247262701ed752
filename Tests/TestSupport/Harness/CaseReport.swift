/// What became of one run of a case, over all its ranks.
package struct CaseReport: Sendable, CustomStringConvertible {
  package let caseName: String
  let ranks: [RankOutcome]
  /// Why the run ended before its time, or did not begin, or ended otherwise than its ranks meant it to.
  var interruption: String?

  /// Every rank finished and found nothing wrong.
  package var isClean: Bool {
    interruption == nil && ranks.allSatisfy { $0.hasFinished && $0.problems.isEmpty }
  }

  /// The case, then a line per finding: `rank R: what and where`.
  package var description: String {
    let title = "\(caseName), on \(ranks.count) \(ranks.count == 1 ? "rank" : "ranks")"
    guard !isClean else { return "\(title): passed" }
    let findings = ranks.enumerated().flatMap { rank, outcome in outcome.lines.map { "  rank \(rank): \($0)" } }
    return (["\(title): \(interruption ?? "failed")"] + findings).joined(separator: "\n")
  }
}
