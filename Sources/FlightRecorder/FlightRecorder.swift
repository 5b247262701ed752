import Glibc
import Synchronization

/// Keeps what a rank is doing in a block of memory that can outlive it: who it is, where it stands, for whom it waits, its
/// last 4,096 operations and how it ended. See `RecordLayout`.
///
/// The block begins as the process's own and becomes a file's with `keep(in:)`: what is written from then on is in the
/// file without a system call, so that it is there after a `SIGKILL`. The rank's own thread writes where it stands and
/// what it does; the thread that watches writes the heartbeat; any thread may write the end.
package final class FlightRecorder: @unchecked Sendable {
  package let rank: Int
  package let rankCount: Int
  package let hostName: String
  let words: UnsafeMutablePointer<Atomic<UInt64>>
  let wordCount: Int
  private let ring: Int
  private var operationCount: UInt64 = 0
  private var taskCount: UInt64 = 0
  private var stepBegan: UInt64 = 0
  private var waited: UInt64 = 0

  /// - Parameter hostName: what messages call the host; the first 64 bytes count.
  package init(rank: Int, rankCount: Int, hostName: String) {
    precondition(rankCount <= RecordLayout.mostRanks, "\(rankCount) ranks in a job")
    self.rank = rank
    self.rankCount = rankCount
    self.hostName = hostName
    wordCount = RecordLayout.wordCount(rankCount: rankCount, capacity: RecordLayout.ringCapacity)
    ring = RecordLayout.frontWordCount + 2 * rankCount
    let memory = mmap(
      nil, wordCount * MemoryLayout<UInt64>.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let memory, memory != MAP_FAILED else { preconditionFailure("no memory for a record") }
    words = memory.bindMemory(to: Atomic<UInt64>.self, capacity: wordCount)
    introduce(hostName)
  }

  deinit { munmap(words, wordCount * MemoryLayout<UInt64>.size) }

  private func introduce(_ hostName: String) {
    store(RecordLayout.versionWord, RecordLayout.version)
    store(RecordLayout.rank, UInt64(rank))
    store(RecordLayout.rankCount, UInt64(rankCount))
    store(RecordLayout.processID, UInt64(getpid()))
    store(RecordLayout.capacity, UInt64(RecordLayout.ringCapacity))
    store(RecordLayout.clockOffset, offsetToWallClock())
    store(RecordLayout.step, RecordLayout.none)
    store(RecordLayout.layer, RecordLayout.none)
    store(RecordLayout.blamedRank, RecordLayout.none)
    store(hostName, in: RecordLayout.hostName)
    beat()
    store(RecordLayout.magicWord, RecordLayout.magic)
  }

  // MARK: What the rank does

  /// The rank enters a phase, whose name has at most eight letters.
  package func enter(_ phase: String, step: Int?, layer: Int?) {
    let name = RecordLayout.word(phase)
    let (step, layer) = (step.map { UInt64($0) } ?? RecordLayout.none, layer.map { UInt64($0) } ?? RecordLayout.none)
    let now = monotonicNanoseconds()
    store(RecordLayout.phase, name)
    store(RecordLayout.step, step)
    store(RecordLayout.layer, layer)
    store(RecordLayout.activitySince, now)
    store(RecordLayout.activityCheck, RecordLayout.check(name, step, layer, now))
    record(.activity, now, RecordLayout.none, name, step, layer)
  }

  /// A message leaves.
  package func sent(to peer: Int, byteCount: Int, tag: Int) {
    let number = increment(RecordLayout.sent(to: peer))
    record(.sent, monotonicNanoseconds(), UInt64(peer), UInt64(byteCount), UInt64(tag), number)
  }

  /// A message has arrived.
  package func received(from peer: Int, byteCount: Int, tag: Int) {
    let number = increment(RecordLayout.received(from: peer))
    record(.received, monotonicNanoseconds(), UInt64(peer), UInt64(byteCount), UInt64(tag), number)
  }

  /// A wait has seen nothing happen for a noticeable time.
  package func beginWait(for operation: String, missing: [Int]) {
    let now = monotonicNanoseconds()
    store(RecordLayout.waitingSince, 0)
    store(operation, in: RecordLayout.waitText)
    let named = missing.prefix(RecordLayout.missing.count)
    store(RecordLayout.missingCount, UInt64(named.count))
    for (word, rank) in zip(RecordLayout.missing, named) { store(word, UInt64(rank)) }
    store(RecordLayout.waitingSince, now)
    record(.waiting, now)
  }

  /// The wait goes on, or is over.
  package func endWait() {
    store(RecordLayout.waitingSince, 0)
    record(.resumed, monotonicNanoseconds())
  }

  /// A task of the rank's own thread is done: it moves, though no message does.
  package func noteTask() {
    taskCount &+= 1
    store(RecordLayout.taskCount, taskCount)
  }

  /// Adds to the time that the rank has waited for others.
  package func noteWait(nanoseconds: UInt64) { waited &+= nanoseconds }

  /// The run ends with this step.
  package func plan(lastStep: Int) { store(RecordLayout.lastStep, UInt64(lastStep)) }

  /// A step begins.
  package func beginStep() {
    stepBegan = monotonicNanoseconds()
    waited = 0
  }

  /// The step that began last is done.
  package func endStep() {
    let taken = monotonicNanoseconds() &- stepBegan
    if taken > load(RecordLayout.longestStep) { store(RecordLayout.longestStep, taken) }
    store(RecordLayout.stepNanoseconds, load(RecordLayout.stepNanoseconds) &+ taken)
    store(RecordLayout.waitedNanoseconds, load(RecordLayout.waitedNanoseconds) &+ min(waited, taken))
    _ = increment(RecordLayout.finishedSteps)
  }

  // MARK: What others see

  /// The process is alive.
  package func beat() { store(RecordLayout.heartbeatAt, monotonicNanoseconds()) }

  /// The process reads or writes files. For the thread that beats.
  package func noteFiles() { _ = increment(RecordLayout.fileCount) }

  /// Somebody has printed the failure block.
  package func noteReport() { store(RecordLayout.isReported, 1) }

  /// A rank's connection ended without a good-bye.
  package func noteLost(rank: Int) {
    let count = Int(load(RecordLayout.lostCount))
    let word = RecordLayout.lost.lowerBound + 2 * count
    guard word + 1 < RecordLayout.lost.upperBound else { return }
    store(word, UInt64(rank))
    store(word + 1, monotonicNanoseconds())
    store(RecordLayout.lostCount, UInt64(count + 1))
  }

  /// The rank ends. What ends it first counts.
  ///
  /// - Parameters:
  ///   - code: the exit code or the signal.
  ///   - blamed: the rank that is to blame, if this one knows.
  package func end(_ kind: RecordEnd.Kind, code: Int32, text: String = "", blamed: Int? = nil) {
    guard load(RecordLayout.endKind) == 0 else { return }
    store(RecordLayout.endCode, UInt64(UInt32(bitPattern: code)))
    store(RecordLayout.endedAt, monotonicNanoseconds())
    store(RecordLayout.blamedRank, blamed.map { UInt64($0) } ?? RecordLayout.none)
    store(text, in: RecordLayout.endText)
    store(RecordLayout.endKind, kind.rawValue)
  }

  /// Nanoseconds to add to the monotonic clock to get the time since 1970.
  package var clockOffset: UInt64 { load(RecordLayout.clockOffset) }
  /// The rank that the end blames.
  package var blamed: Int? {
    let rank = load(RecordLayout.blamedRank)
    return rank < UInt64(rankCount) ? Int(rank) : nil
  }

  /// The step that the rank is in; nil outside of steps. For any thread.
  package var step: Int? { Int(exactly: load(RecordLayout.step)) }

  package var hasEnded: Bool { load(RecordLayout.endKind) != 0 }

  // MARK: Words

  private func record(
    _ kind: Operation.Kind, _ time: UInt64, _ peer: UInt64 = RecordLayout.none, _ first: UInt64 = 0,
    _ second: UInt64 = 0, _ third: UInt64 = 0
  ) {
    let slot = Int(operationCount) & (RecordLayout.ringCapacity - 1)
    operationCount &+= 1
    let base = ring + slot * RecordLayout.wordsPerOperation
    let head = kind.rawValue | peer << 8
    store(base, operationCount)
    store(base + 1, time)
    store(base + 2, head)
    store(base + 3, first)
    store(base + 4, second)
    store(base + 5, third)
    store(base + 6, RecordLayout.check(operationCount, time, head, first, second, third))
    store(RecordLayout.operationCount, operationCount)
  }

  /// Relaxed stores keep their order on x86, and readers check what they find.
  func store(_ word: Int, _ value: UInt64) { words[word].store(value, ordering: .releasing) }
  func load(_ word: Int) -> UInt64 { words[word].load(ordering: .acquiring) }

  private func increment(_ word: Int) -> UInt64 {
    let value = load(word) &+ 1
    store(word, value)
    return value
  }

  /// Text that is too long is cut; the rest of the room becomes zero.
  private func store(_ text: String, in range: Range<Int>) {
    var bytes = text.utf8.makeIterator()
    for word in range {
      var value: UInt64 = 0
      for shift in 0..<8 { if let byte = bytes.next() { value |= UInt64(byte) << UInt64(8 * shift) } }
      store(word, value)
    }
  }
}
