import Foundation
import Logging
import Topology

/// Writes log messages to standard error, each with the rank that says it.
struct StandardErrorLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level = .notice
  private let source: String

  init(label: String, rank: Rank, rankCount: Int) {
    source = rankCount > 1 ? "\(label): \(rank)" : label
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let details = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
      .map { " \($0.key)=\($0.value)" }.joined()
    let line = "\(source): \(event.level): \(event.message)\(details)\n"
    try? FileHandle.standardError.write(contentsOf: Data(line.utf8))
  }
}
