import ArgumentParser
import Communication

/// How experts are spread over ranks.
struct ParallelOptions: ParsableArguments {
  @Option(
    help: "Ranks that share one set of experts. (default: the largest divisor of the ranks up to the experts)",
    transform: Parse.positive)
  var expertParallel: Int?

  /// Refuses groups that the ranks cannot form, before any work is done.
  func check(rankCount: Int) throws(Refusal) {
    guard let expertParallel, rankCount % expertParallel != 0 else { return }
    let divisors = (1...rankCount).filter { rankCount % $0 == 0 }.map(String.init).joined(separator: ", ")
    throw Refusal(
      .usage,
      "--expert-parallel \(expertParallel) does not divide the job's \(rankCount) ranks; give one of \(divisors)")
  }
}
