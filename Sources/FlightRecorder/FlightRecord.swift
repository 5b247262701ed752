/// A record as it was read: of a rank that lives, or of one that is gone.
package struct FlightRecord: Hashable, Sendable {
  /// For whom a rank waits.
  package struct Wait: Hashable, Sendable {
    package var operation: String
    package var missing: [Int]
    /// Nanoseconds of the rank's monotonic clock.
    package var since: UInt64
  }

  /// A connection that ended without a good-bye.
  package struct Loss: Hashable, Sendable {
    package var rank: Int
    /// Nanoseconds of the monotonic clock of the rank that noticed.
    package var time: UInt64
  }

  package var rank: Int
  package var rankCount: Int
  package var processID: Int
  package var hostName: String
  /// Nanoseconds to add to the rank's monotonic clock to get the time since 1970.
  package var clockOffset: UInt64

  /// Nil if the rank was stopped in the middle of a change that the ring does not show either.
  package var standing: Standing?
  package var wait: Wait?
  package var end: RecordEnd?
  package var losses: [Loss]
  package var isReported: Bool
  package var heartbeatAt: UInt64
  package var finishedSteps: Int
  /// The step that the run ends with; nil where the record does not say.
  package var lastStep: Int?
  package var longestStep: UInt64
  package var stepNanoseconds: UInt64
  package var waitedNanoseconds: UInt64

  /// Grows with every operation, task and piece of a file: whether the rank moves.
  package var progress: UInt64
  /// By rank. [rankCount]
  package var sentCounts: [UInt64]
  package var receivedCounts: [UInt64]
  /// The last ones, oldest first.
  package var operations: [Operation]
  /// How many there have been.
  package var operationCount: UInt64

  /// The clock's nanoseconds since 1970: comparable between ranks.
  package func wallTime(_ time: UInt64) -> UInt64 { time &+ clockOffset }
}

/// A file or a message that is no record.
package struct RecordError: Error, Hashable, Sendable, CustomStringConvertible {
  package let description: String
  package init(description: String) { self.description = description }
}

extension FlightRecord {
  /// A record's bytes, changed to say that the rank died from a signal.
  package static func marking(_ bytes: [UInt8], killedBy signal: Int32, at time: UInt64) -> [UInt8] {
    var bytes = bytes
    let changes = [
      (RecordLayout.endCode, UInt64(UInt32(bitPattern: signal))), (RecordLayout.endedAt, time),
      (RecordLayout.endKind, RecordEnd.Kind.signal.rawValue),
    ]
    for (word, value) in changes where bytes.count >= 8 * (word + 1) {
      for byte in 0..<8 { bytes[8 * word + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte)) }
    }
    return bytes
  }
}

// MARK: Reading

extension FlightRecord {
  /// Reads a record's bytes, which may hold anything.
  package init(_ bytes: [UInt8]) throws(RecordError) {
    let words = try Words(bytes)
    guard words[RecordLayout.magicWord] == RecordLayout.magic else {
      throw RecordError(description: "this is no record of moe-worker")
    }
    guard words[RecordLayout.versionWord] == RecordLayout.version else {
      throw RecordError(
        description: "a record of version \(words[RecordLayout.versionWord]); this program reads "
          + "version \(RecordLayout.version)")
    }
    let rankCount = try words.count(RecordLayout.rankCount, 1...RecordLayout.mostRanks, "ranks")
    let capacity = try words.count(RecordLayout.capacity, 1...RecordLayout.largestRing, "operations")
    guard words.count == RecordLayout.wordCount(rankCount: rankCount, capacity: capacity) else {
      throw RecordError(
        description: "\(bytes.count) bytes are not a record of \(rankCount) ranks and \(capacity) operations")
    }
    rank = try words.count(RecordLayout.rank, 0...rankCount - 1, "as rank")
    self.rankCount = rankCount
    processID = Int(truncatingIfNeeded: words[RecordLayout.processID] & 0x7fff_ffff)
    hostName = words.text(RecordLayout.hostName)
    clockOffset = words[RecordLayout.clockOffset]
    (operations, operationCount) = words.operations(capacity: capacity, rankCount: rankCount)
    standing = words.standing ?? Standing(lastOf: operations)
    wait = words.wait(rankCount: rankCount)
    end = words.end(rankCount: rankCount)
    losses = words.losses(rankCount: rankCount)
    isReported = words[RecordLayout.isReported] != 0
    heartbeatAt = words[RecordLayout.heartbeatAt]
    finishedSteps = Int(truncatingIfNeeded: words[RecordLayout.finishedSteps] & 0xffff_ffff_ffff)
    lastStep = Int(exactly: words[RecordLayout.lastStep]).flatMap { $0 > 0 ? $0 : nil }
    longestStep = words[RecordLayout.longestStep]
    stepNanoseconds = words[RecordLayout.stepNanoseconds]
    waitedNanoseconds = words[RecordLayout.waitedNanoseconds]
    progress = operationCount &+ words[RecordLayout.taskCount] &+ words[RecordLayout.fileCount]
    sentCounts = (0..<rankCount).map { words[RecordLayout.sent(to: $0)] }
    receivedCounts = (0..<rankCount).map { words[RecordLayout.received(from: $0)] }
  }
}

extension Standing {
  /// The last activity among operations.
  fileprivate init?(lastOf operations: [Operation]) {
    guard let last = operations.last(where: { $0.kind == .activity }) else { return nil }
    self.init(phase: last.phase, step: last.step, layer: last.layer, since: last.time)
  }
}
