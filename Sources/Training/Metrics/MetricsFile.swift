package import Foundation

/// The file that a run's measurements go to: one JSON object a line, `StepMetrics.jsonLine`, written as soon as it is
/// known. One rank writes it.
package final class MetricsFile {
  private let path: String
  private var lines: LineFile

  private init(path: String) throws(TrainingError) {
    guard let handle = FileHandle(forWritingAtPath: path) else {
      throw TrainingError(.inputOutput, "\(path) cannot be written; check its permissions or name another --metrics")
    }
    self.path = path
    lines = LineFile(handle, end: (try? handle.seekToEnd()) ?? 0)
  }

  /// Refuses a place where no new run's measurements can go, before anything is made: a file that has lines is somebody's
  /// results.
  package static func check(_ path: String) throws(TrainingError) {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    if attributes?[.type] as? FileAttributeType == .typeRegular, attributes?[.size] as? Int != 0 {
      throw TrainingError(.cannotCreate, "\(path) exists already; name another --metrics, or --resume its run")
    }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    if !FileManager.default.fileExists(atPath: folder) { throw cannotCreate(path) }
  }

  /// A file without lines, for a new run.
  package static func create(_ path: String) throws(TrainingError) -> MetricsFile {
    try check(path)
    if !FileManager.default.fileExists(atPath: path),
      !FileManager.default.createFile(atPath: path, contents: nil)
    {
      throw cannotCreate(path)
    }
    return try MetricsFile(path: path)
  }

  private static func cannotCreate(_ path: String) -> TrainingError {
    TrainingError(.cannotCreate, "\(path) cannot be created; check its folder or name another --metrics")
  }

  /// The file of a run that goes on after `step` steps: lines of later steps, and a torn last one, are cut off. The
  /// kept lines are written beside and renamed, so that a crash leaves the one file or the other.
  package static func resume(_ path: String, afterStep step: Int) throws(TrainingError) -> MetricsFile {
    guard FileManager.default.fileExists(atPath: path) else { return try create(path) }
    do {
      let old = try Data(contentsOf: URL(fileURLWithPath: path))
      let kept = try linesUpTo(step: step, in: old, path: path)
      if kept != old { try kept.write(to: URL(fileURLWithPath: path), options: .atomic) }
    } catch let error as TrainingError {
      throw error
    } catch {
      throw TrainingError(.inputOutput, "\(path) cannot be cut back to step \(step): \(error.localizedDescription)")
    }
    return try MetricsFile(path: path)
  }

  /// Writes a line. One that cannot be written whole leaves nothing, and others may follow.
  package func append(_ metrics: StepMetrics) throws(TrainingError) {
    do { try lines.append(metrics.jsonLine) } catch {
      throw TrainingError(.inputOutput, "\(path) cannot be written: \(error.localizedDescription)")
    }
  }

  /// The whole lines whose step is at most `step`. A whole line that has no step is nothing that this program wrote.
  package static func linesUpTo(step: Int, in contents: Data, path: String) throws(TrainingError) -> Data {
    struct Line: Decodable { let step: Int }
    var kept = Data()
    var rest = contents[...]
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      let line = rest[..<end]
      rest = rest[(end + 1)...]
      guard let decoded = try? JSONDecoder().decode(Line.self, from: line) else {
        throw TrainingError(.inputOutput, "\(path) is no file of metrics and stays as it is; name another --metrics")
      }
      guard decoded.step <= step else { continue }
      kept.append(line)
      kept.append(UInt8(ascii: "\n"))
    }
    return kept
  }
}
