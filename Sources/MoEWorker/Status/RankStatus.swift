import FlightRecorder

/// Where one rank of a run stands, as its record says.
struct RankStatus {
  enum Life {
    case alive
    /// Its process is not there any more, or has said that it ends.
    case gone
    /// A rank of another host that this one has not heard of lately.
    case unknown
  }

  let record: FlightRecord
  let life: Life
  /// Seconds since the last heartbeat, as it has arrived here.
  let silence: Double
  private let now: Double

  /// - Parameters:
  ///   - host: what messages call this machine.
  ///   - now: seconds since 1970.
  init(_ record: FlightRecord, seenFrom host: String, at now: Double) {
    self.record = record
    self.now = now
    let beat = Double(record.wallTime(record.heartbeatAt)) / 1e9
    silence = max(0, now - beat)
    if record.end != nil {
      life = .gone
    } else if record.hostName == host {
      // A process that began after the last heartbeat has only got the number.
      let process = RunningProcess(record.processID)
      life = process.map { $0.startedAt < beat + Self.clockDrift } == true ? .alive : .gone
    } else {
      life = silence < Double(RunRecords.moment) / 1e9 ? .alive : .unknown
    }
  }

  /// How far the clocks of the kernel may have been set apart since the rank began, in seconds.
  private static let clockDrift = 2.0

  /// A time of the rank's clock, as seconds before now.
  func age(of time: UInt64) -> Double { max(0, now - Double(record.wallTime(time)) / 1e9) }
}

// MARK: For people

extension RankStatus {
  /// `a, process 12, alive: experts, step 3, layer 1, for 0.2 s; waits 1.3 s in … for rank 2`
  var description: String {
    var text = "\(record.hostName), process \(record.processID), "
    if let end = record.end { return text + "\(Self.words(for: end)), \(Age.text(age(of: end.time))) ago" }
    switch life {
    case .alive: text += silence < Double(RunRecords.moment) / 1e9 ? "alive" : "silent for \(Age.text(silence))"
    case .gone: text += "gone"
    case .unknown: text += "last heard of \(Age.text(silence)) ago"
    }
    text += ": " + (record.standing?.description ?? "at its beginning")
    guard life == .alive else { return text }
    if let standing = record.standing { text += ", for \(Age.text(age(of: standing.since)))" }
    guard let wait = record.wait else { return text }
    text += "; waits \(Age.text(age(of: wait.since))) in \(wait.operation)"
    let missing = wait.missing.map { "rank \($0)" }.joined(separator: ", ")
    return text + (missing.isEmpty ? "" : " for \(missing)")
  }

  private static func words(for end: RecordEnd) -> String {
    switch end.kind {
    case .finished, .error, .exit: "ended with exit code \(end.code)"
    case .signal: "killed by signal \(end.code)"
    }
  }
}

// MARK: For programs

extension RankStatus {
  var json: JSONLine {
    let (standing, end) = (record.standing, record.end)
    let wait = life == .alive ? record.wait : nil
    let isSignal = end?.kind == .signal
    let code = end.map { Int($0.code) }
    return JSONLine([
      "rank": .integer(record.rank), "host": .text(record.hostName), "process": .integer(record.processID),
      "alive": life == .unknown ? .null : .flag(life == .alive),
      "heartbeat_age_seconds": .real(silence),
      "phase": .known(standing?.phase), "step": .known(standing?.step), "layer": .known(standing?.layer),
      "phase_age_seconds": .known(standing.map { age(of: $0.since) }),
      "waits_in": .known(wait?.operation), "waits_for": .integers(wait?.missing ?? []),
      "wait_age_seconds": .known(wait.map { age(of: $0.since) }),
      "exit_code": .known(isSignal ? nil : code), "signal": .known(isSignal ? code : nil),
      "end_age_seconds": .known(end.map { age(of: $0.time) }),
    ])
  }
}

/// How long something has lasted, in the units that people would use.
enum Age {
  static func text(_ seconds: Double) -> String {
    let tenths = Int(min(max(seconds, 0), 1e12) * 10)
    let whole = tenths / 10
    switch whole {
    case ..<10: return "\(whole).\(tenths % 10) s"
    case ..<120: return "\(whole) s"
    case ..<7200: return "\(whole / 60) min"
    case ..<172_800: return "\(whole / 3600) h \(whole / 60 % 60) min"
    default: return "\(whole / 86_400) d \(whole / 3600 % 24) h"
    }
  }
}
