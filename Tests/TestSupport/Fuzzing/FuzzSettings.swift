import Foundation

/// How many inputs, and which: from the environment, so that a failure can be run again alone.
package struct FuzzSettings: Sendable {
  package let seed: Int
  private let first: Int
  private let count: Int
  private let parser: String?
  /// Only a run of its own has the process's memory for itself.
  package let judgesMemory: Bool

  package init(
    environment: [String: String] = ProcessInfo.processInfo.environment, defaultCount: Int = 100_000
  ) {
    func number(_ name: String) -> Int? { environment["SWITCHYARD_FUZZ_" + name].flatMap { Int($0) } }
    seed = number("SEED") ?? 1
    first = max(0, number("FIRST") ?? 0)
    count = max(0, number("COUNT") ?? defaultCount)
    judgesMemory = number("COUNT") != nil
    parser = environment["SWITCHYARD_FUZZ_PARSER"]
  }

  /// Whether a target is to be run: all are unless one is named.
  package func chooses(_ target: FuzzTarget) -> Bool { parser.map { $0 == target.name } ?? true }

  /// The numbers of the inputs of a target that is given one in `share` of them.
  package func numbers(share: Int) -> Range<Int> { first..<first + (count + share - 1) / share }
}
