extension Communicator {
  /// Runs something that can fail on every rank, and goes on only if it succeeded on all.
  ///
  /// If it failed anywhere, every rank throws the refusal of the lowest rank that has one, so that all end with the same exit
  /// code and nobody waits for a rank that has left. The message says which rank it was, unless all ranks say the same.
  /// When the job has failed already, there is nobody to ask, and the rank throws its own.
  package func agree<Result>(_ body: () throws -> Result) throws(Refusal) -> Result {
    var result: Result?
    var refusal: Refusal?
    do { result = try body() } catch { refusal = Refusal(error) }
    if let refusal, job.hasFailed { throw refusal }

    let refusals = try exchange(refusal)
    if let first = refusals.firstIndex(where: { $0 != nil }), let agreed = refusals[first] {
      let isUnanimous = refusals.allSatisfy { $0 == agreed }
      throw isUnanimous ? agreed : Refusal(agreed.kind, "\(worldRanks[first]): \(agreed.message)")
    }
    guard let result else { throw Refusal(.internalError, "internal error: a result was lost while ranks agreed") }
    return result
  }

  private func exchange(_ refusal: Refusal?) throws(Refusal) -> [Refusal?] {
    do throws(CommunicationError) {
      return try allGatherBytes(refusal?.bytes ?? []).map { $0.isEmpty ? nil : Refusal(bytes: $0) }
    } catch {
      throw Refusal(error)
    }
  }
}

extension Refusal {
  /// The exit code in one byte, then the message: the form in which a refusal travels.
  fileprivate var bytes: [UInt8] { [UInt8(truncatingIfNeeded: kind.rawValue)] + Array(message.utf8) }

  fileprivate init(bytes: [UInt8]) {
    let kind = bytes.first.flatMap { Kind(rawValue: Int32($0)) } ?? .protocolViolation
    self.init(kind, String(decoding: bytes.dropFirst(), as: UTF8.self))
  }
}
