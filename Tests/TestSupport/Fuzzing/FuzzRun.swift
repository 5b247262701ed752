import Foundation

/// Runs a target over many inputs. What goes wrong is named by the input's number, from which it can be made again.
package struct FuzzRun {
  package struct Outcome: Hashable, Sendable {
    package var accepted = 0
    package var refused = 0
    package var faults: [String] = []
    package var slowest: Duration = .zero
    /// Of the processor.
    package var time: Duration = .zero
  }

  private let target: FuzzTarget
  private let settings: FuzzSettings
  private let timeLimit: Duration

  /// - Parameter timeLimit: a parser that takes longer for an input hangs.
  package init(_ target: FuzzTarget, _ settings: FuzzSettings, timeLimit: Duration = .seconds(1)) {
    self.target = target
    self.settings = settings
    self.timeLimit = timeLimit
  }

  package func run() throws -> Outcome {
    var outcome = Outcome()
    let started = ProcessorTime.ofThread
    let journal = try FuzzJournal(target: target.name, seed: settings.seed)
    let memory = PeakMemory()
    for number in settings.numbers(share: target.share) where outcome.faults.count < Self.faultLimit {
      journal.begin(number)
      run(number, &outcome)
      if settings.judgesMemory, number % Self.memoryInterval == 0, let excess = memory.excess() {
        outcome.faults.append("up to input \(number): the process has grown by \(excess >> 20) MiB")
      }
    }
    journal.end()
    outcome.time = ProcessorTime.ofThread - started
    return outcome
  }

  /// Enough to see what is wrong.
  private static let faultLimit = 10
  private static let memoryInterval = 256

  private func run(_ number: Int, _ outcome: inout Outcome) {
    let input = target.mutator.input(number, seed: settings.seed)
    let started = ProcessorTime.ofThread
    do {
      if try target.read(input) { outcome.accepted += 1 } else { outcome.refused += 1 }
    } catch {
      outcome.faults.append("input \(number), \(describe(input)): \(error)")
    }
    let taken = ProcessorTime.ofThread - started
    outcome.slowest = max(outcome.slowest, taken)
    if taken > timeLimit { outcome.faults.append("input \(number), \(describe(input)): \(taken)") }
  }

  private func describe(_ input: [UInt8]) -> String {
    let text = String(decoding: input.prefix(600), as: UTF8.self)
    return "\(input.count) bytes \(text.debugDescription)"
  }
}
