import FlightRecorder
import Foundation
import TestSupport
import Testing

@Suite struct FlightRecorderTests {
  private func recorder(rankCount: Int = 4) -> FlightRecorder {
    FlightRecorder(rank: 1, rankCount: rankCount, hostName: "höst")
  }

  private func read(_ recorder: FlightRecorder) throws -> FlightRecord { try FlightRecord(recorder.snapshot()) }

  @Test func saysWhoAndWhereTheRankIs() throws {
    let recorder = recorder()
    recorder.enter("dispatch", step: 3, layer: 2)
    let record = try read(recorder)
    #expect(record.rank == 1 && record.rankCount == 4 && record.hostName == "höst")
    #expect(record.processID == Int(ProcessInfo.processInfo.processIdentifier))
    #expect(record.standing?.description == "dispatch, step 3, layer 2")
    #expect(record.end == nil && record.wait == nil && !record.isReported && record.losses.isEmpty)
  }

  @Test func countsMessagesByPeer() throws {
    let recorder = recorder()
    for _ in 0..<3 { recorder.sent(to: 2, byteCount: 40, tag: 7) }
    recorder.received(from: 0, byteCount: 8, tag: 1)
    let record = try read(recorder)
    #expect(record.sentCounts == [0, 0, 3, 0] && record.receivedCounts == [1, 0, 0, 0])
    #expect(
      record.operations.map(\.description).suffix(2) == [
        "sent message 3 to rank 2: 40 bytes, tag 7", "received message 1 from rank 0: 8 bytes, tag 1",
      ])
  }

  @Test func saysForWhomItWaits() throws {
    let recorder = recorder()
    recorder.beginWait(for: "a barrier of 4 ranks", missing: [0, 3])
    #expect(try read(recorder).wait?.operation == "a barrier of 4 ranks")
    #expect(try read(recorder).wait?.missing == [0, 3])
    recorder.endWait()
    #expect(try read(recorder).wait == nil)
  }

  @Test func theFirstEndCounts() throws {
    let recorder = recorder()
    recorder.end(.error, code: 75, text: "rank 2 is lost", blamed: 2)
    recorder.end(.finished, code: 0)
    #expect(recorder.hasEnded)
    let end = try #require(try read(recorder).end)
    #expect(end.kind == .error && end.code == 75 && end.text == "rank 2 is lost" && end.blamed == 2)
  }

  @Test func longTextIsCutAndControlCharactersGo() throws {
    let recorder = recorder()
    recorder.end(.error, code: 1, text: "a\u{1B}[31m\nb" + String(repeating: "x", count: 5000))
    let text = try #require(try read(recorder).end?.text)
    #expect(text.hasPrefix("a [31m bxxx") && text.utf8.count == 1024)
  }

  @Test func progressMovesWithOperationsTasksAndFiles() throws {
    let recorder = recorder()
    var last = try read(recorder).progress
    for act in [{ recorder.noteTask() }, { recorder.noteFiles() }, { recorder.enter("load", step: nil, layer: nil) }] {
      act()
      let progress = try read(recorder).progress
      #expect(progress == last + 1)
      last = progress
    }
    recorder.beat()
    #expect(try read(recorder).progress == last)
  }

  @Test func longestStepAndWaitingAreKept() throws {
    let recorder = recorder()
    for milliseconds in [1, 20, 1] {
      recorder.beginStep()
      recorder.noteWait(nanoseconds: 400_000)
      sleep(for: .milliseconds(milliseconds))
      recorder.endStep()
    }
    let record = try read(recorder)
    #expect(record.finishedSteps == 3 && record.longestStep >= 20_000_000)
    #expect(record.stepNanoseconds >= record.longestStep + 2_000_000 && record.waitedNanoseconds == 1_200_000)
  }

  /// What a file has is what the last 4,096 operations were, though the process never closed it.
  @Test func aFileKeepsTheLastOperations() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "records-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = RecordFolder.path(in: folder, rank: 1)
    let recorder = recorder()
    for _ in 0..<10 { recorder.sent(to: 0, byteCount: 1, tag: 0) }
    try recorder.keep(in: path)
    for _ in 0..<5000 { recorder.sent(to: 3, byteCount: 2, tag: 0) }
    let record = try FlightRecord([UInt8](try Data(contentsOf: URL(filePath: path))))
    #expect(record.operations.count == 4096 && record.operationCount == 5010)
    #expect(record.operations.map(\.messageNumber) == Array(905...5000))
    #expect(record.sentCounts == [10, 0, 0, 5000])
  }

  @Test func aFolderThatIsNotThereIsAnError() {
    #expect(throws: RecordError.self) { try recorder().keep(in: "/nowhere/rank-1.record") }
  }

  /// The limit is 50 ns; measured 30 to 40. The room is for machines that do other things as well.
  @Test func recordingCostsNanoseconds() {
    let recorder = recorder()
    let count = 1_000_000
    let start = ContinuousClock.now
    for index in 0..<count { recorder.sent(to: index & 3, byteCount: index, tag: 5) }
    let nanoseconds = start.duration(to: .now) / .nanoseconds(1) / Double(count)
    #expect(nanoseconds < 500, "\(nanoseconds) ns a record")
  }

  @Test func namesOfFilesAreStrict() {
    #expect(RecordFolder.rank(name: "rank-12.record") == 12)
    for name in ["rank-.record", "rank-01.record", "rank--1.record", "rank-1.record~", "rank-x.record", "1.record"] {
      #expect(RecordFolder.rank(name: name) == nil, "\(name)")
    }
  }
}

/// Records come from files and from other processes: any bytes may be in them.
@Suite struct HostileRecordTests {
  private func bytes() -> [UInt8] {
    let recorder = FlightRecorder(rank: 1, rankCount: 3, hostName: "host")
    recorder.enter("forward", step: 1, layer: 0)
    for peer in [0, 2, 0] { recorder.sent(to: peer, byteCount: 100, tag: 3) }
    recorder.beginWait(for: "a sum", missing: [0])
    recorder.noteLost(rank: 2)
    recorder.end(.signal, code: 11)
    return recorder.snapshot()
  }

  @Test func otherFilesAreRefused() {
    let whole = bytes()
    for wrong in [[], [1, 2, 3], Array(whole.dropLast(8)), whole + [0], whole + [UInt8](repeating: 0, count: 64)] {
      #expect(throws: RecordError.self) { try FlightRecord(wrong) }
    }
    #expect(throws: RecordError.self) { try FlightRecord([UInt8](repeating: 0, count: whole.count)) }
  }

  /// Any change is refused or read as some record; nothing traps.
  @Test func mutationsAreReadOrRefused() throws {
    let whole = bytes()
    var generator = SeededGenerator(seed: 5)
    var readCount = 0
    for _ in 0..<4000 {
      var changed = whole
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let place = Int.random(in: 0..<changed.count, using: &generator)
        changed[place] =
          [0, 0xff, 0x7f, UInt8.random(in: 0...255, using: &generator)].randomElement(using: &generator) ?? 0
      }
      guard let record = try? FlightRecord(changed) else { continue }
      readCount += 1
      #expect((0..<record.rankCount).contains(record.rank))
      _ = record.operations.map(\.description)
    }
    #expect(readCount > 3000)
  }

  @Test func allOnesAndEachWordAtItsExtremes() throws {
    let whole = bytes()
    for word in 0..<whole.count / 8 {
      for value in [UInt64.max, 1 << 63, 1 << 31, 0] {
        var changed = whole
        for byte in 0..<8 { changed[8 * word + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte)) }
        _ = (try? FlightRecord(changed))?.operations.map(\.description)
      }
    }
    #expect(throws: RecordError.self) { try FlightRecord([UInt8](repeating: 0xff, count: whole.count)) }
  }

  @Test func aTornEntryIsLeftOut() throws {
    var changed = bytes()
    let count = try FlightRecord(changed).operations.count
    // A byte in the time of the last entry.
    changed[changed.count - 8 * 8 + 8] ^= 1
    #expect(try FlightRecord(changed).operations.count == count - 1)
  }

  @Test func aSignalCanBeAddedToARecordOfAnotherRank() throws {
    let recorder = FlightRecorder(rank: 2, rankCount: 3, hostName: "host")
    let record = try FlightRecord(FlightRecord.marking(recorder.snapshot(), killedBy: 6, at: 77))
    let end = try #require(record.end)
    #expect(end.kind == .signal && end.code == 6 && end.time == 77 && end.text.isEmpty && end.blamed == nil)
  }
}
