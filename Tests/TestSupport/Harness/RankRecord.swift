/// Something a rank has to say; under `mpirun` a line of its report file.
enum RankRecord: Codable, Hashable, Sendable {
  case began(processID: Int32)
  case failure(Failure)
  /// The body threw.
  case stopped(error: String)
  /// The process is dying from a signal.
  case signal(number: Int32)
  /// The body returned; a broken job cannot be ended in an orderly way.
  case finished(isJobBroken: Bool)

  struct Failure: Codable, Hashable, Sendable {
    let file: String
    let line: Int
    let message: String
  }
}

/// One rank's part of a run.
struct RankOutcome: Sendable {
  var records: [RankRecord] = []
  /// Where it was last.
  var standing = ""
  /// The last lines that it printed.
  var output: [String] = []

  /// Nil for a rank that never began, and under the loopback transport.
  var processID: Int32? {
    records.lazy.compactMap { if case .began(let processID) = $0 { processID } else { nil } }.first
  }

  var hasFinished: Bool { records.contains { if case .finished = $0 { true } else { false } } }
  var isJobBroken: Bool { records.contains(.finished(isJobBroken: true)) }

  /// The body returned or threw, or the process died with a word.
  var hasEnded: Bool {
    records.contains { record in
      switch record {
      case .finished, .stopped, .signal: true
      case .began, .failure: false
      }
    }
  }

  /// What went wrong, a line each.
  var problems: [String] {
    records.compactMap { record in
      switch record {
      case .began, .finished: nil
      case .failure(let failure): "\(failure.file):\(failure.line): \(failure.message)"
      case .stopped(let error): "stopped with an error (stood at \(place)): \(error)"
      case .signal(let number): "died from signal \(number), \(Self.name(ofSignal: number)) (stood at \(place))"
      }
    }
  }

  /// The problems; for a rank that came to no end its place, and for one that ended badly its last words.
  var lines: [String] {
    let end = hasFinished ? "finished" : hasEnded ? nil : "did not end; stood at \(place)"
    return problems + [end].compactMap(\.self) + (hasFinished ? [] : output.map { "| \($0)" })
  }

  private var place: String { standing.isEmpty ? "its beginning" : standing }

  private static func name(ofSignal number: Int32) -> String {
    let names: [Int32: String] = [
      4: "illegal instruction, as Swift's traps are", 5: "trap", 6: "abort", 7: "bus error", 8: "arithmetic",
      11: "bad memory access",
    ]
    return names[number] ?? "of another kind"
  }
}
