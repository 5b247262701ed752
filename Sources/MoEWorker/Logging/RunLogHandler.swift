import Logging

/// Writes log messages to a rank's log.
struct RunLogHandler: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level = .info
  private let log: RunLog

  init(_ log: RunLog) { self.log = log }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    log.write(event.level, "\(event.message)", metadata.merging(event.metadata ?? [:]) { $1 })
  }
}
