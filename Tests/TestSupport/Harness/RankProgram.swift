import Communication
import Foundation
import Topology

/// The program that `mpirun` starts on every rank: `rank-cases CASE [FOLDER]`.
///
/// With a folder, the rank writes its findings there (`RankFiles`); without one, for use by hand, it prints them.
package enum RankProgram {
  /// Runs the case of the registry that the command line names.
  package static func run(_ registry: [RankCase]) -> Never {
    let arguments = CommandLine.arguments
    guard arguments.count >= 2, let rankCase = registry.first(where: { $0.name == arguments[1] }) else {
      print("usage: \(arguments[0]) CASE [FOLDER], where CASE is one of")
      for rankCase in registry { print("  \(rankCase.name)") }
      exit(64)
    }
    do {
      let manager = ProcessInfo.processInfo.environment["PMI_FD"].flatMap { Int32($0) }
      let environment = try MPIEnvironment(waitLimit: rankCase.limit / 3, processManager: manager)
      run(rankCase, in: environment, folder: arguments.dropFirst(2).first)
    } catch {
      print("\(rankCase.name): \(error)")
      exit(70)
    }
  }

  private static func run(_ rankCase: RankCase, in environment: MPIEnvironment, folder: String?) -> Never {
    let world = environment.world
    guard let folder else {
      let recorder = PrintingRecorder(rank: world.rank.index)
      let isFine = run(rankCase, RankContext(world: world, recorder: recorder), recorder)
      environment.end(exitCode: isFine && !recorder.hasFailures ? rankCase.exitCode : 1)
    }
    let files = RankFiles(folder: folder, rank: world.rank.index)
    redirectOutput(to: files.output)
    let recorder = RankFileRecorder(files)
    world.job.observer = recorder
    recorder.record(.began(processID: getpid()))
    let isFine = run(rankCase, RankContext(world: world, recorder: recorder), recorder)
    if !isFine || world.job.hasFailed { lingerUntilOthersEnd(in: folder, ranks: world.size) }
    if isFine { environment.end(exitCode: rankCase.exitCode) } else { environment.abandon(exitCode: 1) }
  }

  /// - Returns: whether the body returned; expectations may have failed all the same.
  private static func run(_ rankCase: RankCase, _ context: RankContext, _ recorder: any RankRecorder) -> Bool {
    do {
      try rankCase.body(context)
      recorder.record(.finished(isJobBroken: context.world.job.hasFailed))
      return true
    } catch {
      recorder.record(.stopped(error: "\(error)"))
      return false
    }
  }

  private static func redirectOutput(to path: String) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    dup2(descriptor, STDOUT_FILENO)
    dup2(descriptor, STDERR_FILENO)
    close(descriptor)
  }

  /// A rank that leaves without finalizing ends the others at once, and with them what they have yet to say. So it gives
  /// them two seconds to come to an end of their own.
  private static func lingerUntilOthersEnd(in folder: String, ranks: Int) {
    let deadline = monotonicSeconds() + 2
    while monotonicSeconds() < deadline {
      let haveAllEnded = (0..<ranks).allSatisfy { RankFiles(folder: folder, rank: $0).read().hasEnded }
      if haveAllEnded { return }
      sleep(for: .milliseconds(20))
    }
  }
}

/// Prints findings as they come.
private final class PrintingRecorder: RankRecorder {
  private let rank: Int
  private(set) var hasFailures = false

  init(rank: Int) { self.rank = rank }

  func record(_ record: RankRecord) {
    if case .failure = record { hasFailures = true }
    print("rank \(rank): \(record)")
  }

  func stands(at place: String) {}
}
