import Communication
import Foundation

/// Where one rank of a run writes what it finds, as it finds it, so that nothing is lost when it dies.
///
/// Three files in the run's folder: `rank-R.report`, a `RankRecord` in JSON per line; `rank-R.standing`, the place where the
/// rank is, overwritten each time; `rank-R.output`, what it prints.
struct RankFiles: Sendable {
  let folder: String
  let rank: Int

  var report: String { "\(folder)/rank-\(rank).report" }
  var standing: String { "\(folder)/rank-\(rank).standing" }
  var output: String { "\(folder)/rank-\(rank).output" }

  /// How many of the last lines that a rank printed are worth showing.
  private static let outputLineCount = 12

  func read() -> RankOutcome {
    let decoder = JSONDecoder()
    return RankOutcome(
      records: lines(of: report).compactMap { try? decoder.decode(RankRecord.self, from: Data($0.utf8)) },
      standing: lines(of: standing).first?.trimmingCharacters(in: .whitespaces) ?? "",
      output: lines(of: output).suffix(Self.outputLineCount))
  }

  private func lines(of path: String) -> [String] {
    let text = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    return text.split(separator: "\n").map(String.init)
  }
}

/// Writes a rank's report file and keeps its standing file up to date.
final class RankFileRecorder: RankRecorder, JobObserver {
  private let reportDescriptor: Int32
  private let standingDescriptor: Int32
  private var label = "its beginning"
  private var activity = ""
  private var wait = ""

  /// The standing file has one line of this many bytes.
  private static let standingByteCount = 400

  init(_ files: RankFiles) {
    reportDescriptor = open(files.report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    standingDescriptor = open(files.standing, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    precondition(reportDescriptor >= 0 && standingDescriptor >= 0, "cannot write in \(files.folder)")
    DyingWords.install(descriptor: reportDescriptor)
  }

  func record(_ record: RankRecord) {
    let line = Self.line(record)
    let written = line.withUnsafeBytes { write(reportDescriptor, $0.baseAddress, $0.count) }
    precondition(written == line.count, "cannot write a report")
  }

  static func line(_ record: RankRecord) -> [UInt8] {
    let encoded = (try? JSONEncoder().encode(record)) ?? Data()
    return Array(encoded) + [UInt8(ascii: "\n")]
  }

  func stands(at place: String) {
    label = place
    update()
  }

  func activityChanged(to activity: Activity) {
    self.activity = ", in \(activity)"
    update()
  }

  func waitStalled(in operation: String) {
    wait = ", waiting in \(operation)"
    update()
  }

  func waitResumed() {
    wait = ""
    update()
  }

  /// One write in place: a reader sees the old line or the new one.
  private func update() {
    let text = "\(label)\(activity)\(wait)".utf8.prefix(Self.standingByteCount - 1)
    let padding = [UInt8](repeating: UInt8(ascii: " "), count: Self.standingByteCount - 1 - text.count)
    let line = Array(text) + padding + [UInt8(ascii: "\n")]
    line.withUnsafeBytes { _ = pwrite(standingDescriptor, $0.baseAddress, $0.count, 0) }
  }
}
