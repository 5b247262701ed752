/// Where things lie in a record, in words of 64 bits, little endian:
///
///     0    the front: who the rank is, where it stands, for whom it waits, how it ended
///     512  messages sent to and received from each rank of the job, two words a rank
///     …    the ring of the last operations, eight words each
///
/// A record has one writer for each word and is read while it is written, and after its writer was killed in the middle of
/// a change. So every word is stored at once, and what takes several words carries a check word or is published by a
/// word that is stored last.
enum RecordLayout {
  /// `SWYDREC1` in the order of the bytes.
  static let magic = word("SWYDREC1")
  static let version: UInt64 = 1
  static let frontWordCount = 512
  static let wordsPerOperation = 8
  static let ringCapacity = 4096
  /// No step, layer or rank: all bits set.
  static let none = UInt64.max

  // What no record of this program exceeds; a file that says otherwise is not believed.
  static let mostRanks = 1 << 16
  static let largestRing = 1 << 16

  // Who writes it. Written once.
  static let magicWord = 0
  static let versionWord = 1
  static let rank = 2
  static let rankCount = 3
  static let processID = 4
  static let capacity = 5
  /// Nanoseconds to add to the monotonic clock to get the time since 1970.
  static let clockOffset = 6
  /// 64 bytes.
  static let hostName = 8..<16

  // Where it stands.
  static let phase = 16
  static let step = 17
  static let layer = 18
  static let activitySince = 19
  static let activityCheck = 20
  static let operationCount = 21
  static let taskCount = 22
  static let heartbeatAt = 23
  static let finishedSteps = 24
  static let longestStep = 25
  /// Nanoseconds inside of finished steps, and those of them that were spent waiting for others.
  static let stepNanoseconds = 26
  static let waitedNanoseconds = 27
  /// Somebody has printed the failure block of this job.
  static let isReported = 28

  // How it ended. The kind is stored last.
  static let endKind = 29
  static let endCode = 30
  static let endedAt = 31
  /// The rank that is to blame, in the words of the one that writes.
  static let blamedRank = 32
  static let endText = 72..<200

  // For whom it waits. The time is stored last; 0 is not waiting.
  static let waitingSince = 33
  static let missingCount = 34
  static let missing = 35..<51
  static let waitText = 200..<224

  // Connections of other ranks that ended without a good-bye: rank and time, in the order in which it was noticed.
  static let lostCount = 224
  static let lost = 225..<289

  /// Grows while the process reads or writes files: the watching thread's part of the rank's progress.
  static let fileCount = 289

  /// The step that the run ends with; 0 where nobody has said.
  static let lastStep = 290

  /// Words of a record with this many ranks and operations.
  static func wordCount(rankCount: Int, capacity: Int) -> Int {
    frontWordCount + 2 * rankCount + capacity * wordsPerOperation
  }

  static func sent(to peer: Int) -> Int { frontWordCount + 2 * peer }
  static func received(from peer: Int) -> Int { frontWordCount + 2 * peer + 1 }

  /// Up to eight bytes of text as one word.
  static func word(_ text: some StringProtocol) -> UInt64 {
    var word: UInt64 = 0
    var shift: UInt64 = 0
    for byte in text.utf8.prefix(8) {
      word |= UInt64(byte) << shift
      shift += 8
    }
    return word
  }

  /// What makes words that were not all written by the same change improbable.
  static func check(_ words: UInt64...) -> UInt64 {
    words.reduce(0x5357_5944_4348_4543) { ($0 ^ $1) &* 0x100_0000_01b3 }
  }
}
