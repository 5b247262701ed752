import Glibc
import Synchronization

/// The records of a run: a file for each rank.
package enum RecordFolder {
  package static let name = "records"

  package static func path(in folder: String, rank: Int) -> String { "\(folder)/rank-\(rank).record" }

  /// What the watch over the job leaves.
  package static func watchPath(in folder: String) -> String { "\(folder)/watch.record" }

  /// The rank of a file's name; nil for other names.
  package static func rank(name: String) -> Int? {
    guard name.hasPrefix("rank-"), name.hasSuffix(".record"),
      let rank = Int(name.dropFirst("rank-".count).dropLast(".record".count)), rank >= 0, name == "rank-\(rank).record"
    else { return nil }
    return rank
  }
}

extension FlightRecorder {
  private var byteCount: Int { wordCount * MemoryLayout<UInt64>.size }

  /// From here on the record is this file, which is made anew.
  ///
  /// The memory stays where it is, so writers notice nothing; a heartbeat that falls between is overtaken by the next.
  package func keep(in path: String) throws(RecordError) {
    unlink(path)
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw failure("cannot create", path) }
    defer { close(descriptor) }
    // Room that is only found missing when it is written to would end the process with SIGBUS.
    let code = posix_fallocate(descriptor, 0, byteCount)
    guard code == 0 else {
      errno = code
      throw failure("cannot make room for", path)
    }
    guard pwrite(descriptor, words, byteCount, 0) == byteCount else { throw failure("cannot write", path) }
    let mapped = mmap(words, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor, 0)
    guard mapped != MAP_FAILED else { throw failure("cannot map", path) }
  }

  private func failure(_ what: String, _ path: String) -> RecordError {
    RecordError(description: "\(what) \(path): \(String(cString: strerror(errno)))")
  }

  /// How many operations travel in a snapshot.
  private static let snapshotCapacity = 16

  /// A record with the last operations only, to be sent to others.
  package func snapshot() -> [UInt8] {
    let capacity = Self.snapshotCapacity
    var copy: [UInt64] = []
    copy.reserveCapacity(RecordLayout.wordCount(rankCount: rankCount, capacity: capacity))
    let ring = RecordLayout.frontWordCount + 2 * rankCount
    for word in 0..<ring { copy.append(load(word)) }
    copy[RecordLayout.capacity] = UInt64(capacity)
    let count = Int(load(RecordLayout.operationCount))
    for number in 0..<capacity {
      let slot = (count + RecordLayout.ringCapacity - capacity + number) & (RecordLayout.ringCapacity - 1)
      for word in 0..<RecordLayout.wordsPerOperation {
        copy.append(load(ring + slot * RecordLayout.wordsPerOperation + word))
      }
    }
    return copy.withUnsafeBytes { Array($0) }
  }
}
