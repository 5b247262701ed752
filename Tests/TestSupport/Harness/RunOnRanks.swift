import Foundation
import Synchronization

/// Runs a case under `mpirun`, one process per rank, and gathers what all of them have to say.
///
/// One run at a time: ranks of two runs would only get into each other's way.
///
/// - Parameter hasHosts: whether each rank has a host of its own, made of a network namespace (``TestHosts``).
package func runOnRanks(_ rankCase: RankCase, ranks: Int, eachOnItsHost hasHosts: Bool = false) -> CaseReport {
  oneRunAtATime.withLock { _ in
    let folder = FileManager.default.temporaryDirectory.appending(path: "rank-cases-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      return try RankRun(rankCase, ranks: ranks, hasHosts: hasHosts, folder: folder.path).report()
    } catch {
      return CaseReport(caseName: rankCase.name, ranks: [], interruption: "could not be started: \(error)")
    }
  }
}

private let oneRunAtATime = Mutex(())

/// One run of a case under `mpirun`.
private struct RankRun {
  let rankCase: RankCase
  let files: [RankFiles]
  let launcherOutput: String
  let process: ChildProcess

  init(_ rankCase: RankCase, ranks: Int, hasHosts: Bool, folder: String) throws(ChildProcess.StartError) {
    self.rankCase = rankCase
    files = (0..<ranks).map { RankFiles(folder: folder, rank: $0) }
    launcherOutput = "\(folder)/mpirun.output"
    process = try ChildProcess(
      firstFoundOf: hasHosts ? [TestHosts.script] : ["mpirun.mpich", "mpirun"],
      arguments: (hasHosts ? ["--hosts", "\(ranks)", "--rate", "1gbit", "--"] : ["-np", "\(ranks)"])
        + [Self.program, rankCase.name, folder],
      environment: Self.environment, output: launcherOutput)
  }

  /// Waits for the end, or brings it about when the limit is over.
  func report() -> CaseReport {
    let status = process.wait(for: rankCase.limit)
    if status == nil { process.killGroup() }
    let outcomes = files.map { $0.read() }
    for outcome in outcomes { outcome.processID.map { process.killLeftover($0) } }
    return CaseReport(caseName: rankCase.name, ranks: outcomes, interruption: interruption(status, outcomes))
  }

  private func interruption(_ status: ChildProcess.Status?, _ outcomes: [RankOutcome]) -> String? {
    guard let status else { return "did not end within \(rankCase.limit) and was killed" }
    guard outcomes.allSatisfy({ $0.processID != nil }) else {
      return "mpirun \(status), and not every rank began; it says:\n\(launcherWords)"
    }
    guard outcomes.allSatisfy(\.hasFinished) else { return "failed; mpirun \(status)" }
    let mayEndAnyhow = rankCase.exitCode == 0 && outcomes.contains(where: \.isJobBroken)
    if mayEndAnyhow || status == .exited(rankCase.exitCode) { return nil }
    return "all ranks finished, but mpirun \(status) where exit code \(rankCase.exitCode) was expected"
  }

  private var launcherWords: String {
    String(decoding: FileManager.default.contents(atPath: launcherOutput) ?? Data(), as: UTF8.self)
  }

  /// `rank-cases` lies beside the program that runs the tests.
  private static var program: String {
    let tests =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(filePath: tests).deletingLastPathComponent().appending(path: "rank-cases").path
  }

  /// One thread a rank in libraries that would start their own, and no handlers that keep a signal from its effect.
  private static var environment: [String: String] {
    ProcessInfo.processInfo.environment.merging(["OMP_NUM_THREADS": "1", "UCX_HANDLE_ERRORS": "none"]) { $1 }
  }
}
