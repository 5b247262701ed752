import Communication
import FlightRecorder
import Foundation
import Logging
import Synchronization
import Training

/// What one rank writes down about a run, for programs: JSON objects, a line each, in a file of the rank's own.
///
/// Lines are kept until there is a file, so that what is said before a run begins is in it, and a run that is refused
/// leaves none. A file that cannot be written is no reason to lose the run.
final class RunLog: Sendable {
  private struct State {
    var file: LineFile?
    var kept: [String] = []
    var hasFailed = false
  }

  /// More is not said before a run begins.
  private static let mostKept = 100

  private let recorder: FlightRecorder
  private let state = Mutex(State())

  /// - Parameter recorder: knows the rank, its host and its step.
  init(_ recorder: FlightRecorder) { self.recorder = recorder }

  /// For what belongs into the file alone.
  var logger: Logger { Logger(label: "moe-worker") { _ in RunLogHandler(self) } }

  static func path(in output: String, rank: Int) -> String { "\(output)/logs/rank-\(rank).jsonl" }

  /// Opens the file of each rank, at whose end a resumed run goes on; every rank calls it.
  ///
  /// - Returns: on all ranks, a line for each rank that can write none. A host that does not see the output has no file.
  func open(in output: String, over world: any Communicator) throws(CommunicationError) -> [String] {
    let problem = openFile(in: output)
    return try world.allGatherBytes(Array((problem ?? "").utf8)).filter { !$0.isEmpty }.map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  private func openFile(in output: String) -> String? {
    guard FileManager.default.fileExists(atPath: output) else { return nil }
    let path = Self.path(in: output, rank: recorder.rank)
    do {
      try FileManager.default.createDirectory(
        at: URL(fileURLWithPath: path).deletingLastPathComponent(), withIntermediateDirectories: true)
      let file = try LineFile(appendingTo: path)
      state.withLock { state in
        state.file = file
        for line in state.kept { append(line, &state) }
        state.kept = []
      }
      return nil
    } catch {
      return "\(path): no log is written there: \(error.localizedDescription)"
    }
  }

  /// Writes a line, from any thread.
  func write(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) {
    let fields = metadata.sorted { $0.key < $1.key }
    var line = JSONLine([
      "time": .text(Date.ISO8601FormatStyle(includingFractionalSeconds: true).format(Date())),
      "level": .text(level.rawValue), "rank": .integer(recorder.rank), "host": .text(recorder.hostName),
      "step": recorder.step.map { .integer($0) } ?? .null, "message": .text(message),
    ])
    if !fields.isEmpty {
      var object = JSONLine()
      for (name, value) in fields { object.append(name, JSONLine.Value(value)) }
      line.append("fields", .object(object))
    }
    let text = line.description
    state.withLock { append(text, &$0) }
  }

  private func append(_ line: String, _ state: inout State) {
    guard state.file != nil else {
      if state.kept.count < Self.mostKept { state.kept.append(line) }
      return
    }
    do {
      try state.file?.append(line)
    } catch {
      // Said once: what fails again, as on a full disk, would fill the terminal.
      if !state.hasFailed {
        Console.complain("warning: rank \(recorder.rank): lines of its log are lost: \(error.localizedDescription)")
      }
      state.hasFailed = true
    }
  }
}

extension JSONLine.Value {
  /// Numbers and truth values stay what they are; everything else becomes text.
  fileprivate init(_ value: Logger.MetadataValue) {
    guard case .stringConvertible(let number) = value else {
      self = .text("\(value)")
      return
    }
    switch number {
    case let number as Int: self = .integer(number)
    case let number as Double: self = .real(number, digits: 9)
    case let flag as Bool: self = .flag(flag)
    default: self = .text("\(value)")
    }
  }
}
