import Checkpoints
import Communication
import FoundationEssentials

/// Makes sure that all ranks, which may be on different hosts, have found the same files with the same content.
enum CorpusComparison {
  /// Every rank gives what it has found. One number per rank travels; the lists only if those differ.
  ///
  /// - Throws: `CorpusError` on all ranks, with the first rank that differs from rank 0 and the first file in which it
  ///   does.
  static func check(_ files: [CorpusFile], over world: any Communicator) throws {
    let listing = files.map { "\($0.path)\0\($0.byteCount)\0\(String($0.digest, radix: 16))" }
    let digest = Digest(of: Array(listing.joined(separator: "\u{1}").utf8)).value
    let digests = try world.allGather(digest)
    guard digests.contains(where: { $0 != digests[0] }) else { return }
    let own = ([ProcessInfo.processInfo.hostName] + listing).joined(separator: "\u{1}")
    let lists = try world.allGatherBytes(Array(own.utf8)).map {
      String(decoding: $0, as: UTF8.self).split(separator: "\u{1}", omittingEmptySubsequences: false).map(String.init)
    }
    for rank in lists.indices where lists[rank].dropFirst() != lists[0].dropFirst() {
      throw CorpusError(
        .differs,
        "the corpus of rank \(rank) (host \(lists[rank][0])) is not that of rank 0 (host \(lists[0][0])): "
          + difference(Array(lists[0].dropFirst()), Array(lists[rank].dropFirst()), rank: rank)
          + "; copy the same files to all hosts")
    }
  }

  /// The first entry in which two lists differ, in words.
  private static func difference(_ first: [String], _ other: [String], rank: Int) -> String {
    for (expected, actual) in zip(first, other) where expected != actual {
      let (a, b) = (fields(expected), fields(actual))
      if a.path != b.path { return "rank 0 has \(a.path) where rank \(rank) has \(b.path)" }
      if a.size != b.size { return "\(a.path) has \(b.size) bytes, on rank 0 \(a.size)" }
      return "\(a.path) has other content"
    }
    let (longer, owner) = first.count > other.count ? (first, 0) : (other, rank)
    return "only rank \(owner) has \(fields(longer[min(first.count, other.count)]).path)"
  }

  private static func fields(_ entry: String) -> (path: String, size: String) {
    let fields = entry.split(separator: "\0", omittingEmptySubsequences: false)
    return (String(fields[0]), fields.count > 1 ? String(fields[1]) : "?")
  }
}
