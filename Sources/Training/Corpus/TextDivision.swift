import Checkpoints

/// How a file's text is divided: its last part is held out of training, and both parts are cut into chunks that ranks
/// encode side by side. Divisions depend on the text alone, so tokens do not depend on the number of ranks.
struct TextDivision {
  /// Chunks are this long, or up to `searchByteCount` longer.
  static let chunkByteCount = 256 << 10
  /// How far ahead a good place to cut is looked for.
  static let searchByteCount = 4 << 10
  /// One part in twenty is held out.
  static let heldOutShare = 20

  let file: CorpusFile
  let files: any FileSystem

  /// Where the held-out part begins: 95 % into the file or, within half of what remains, at the start of a line.
  func heldOutStart() throws -> Int {
    let heldOut = file.byteCount / Self.heldOutShare
    return try cut(near: file.byteCount - heldOut, searching: min(heldOut / 2, Self.searchByteCount))
  }

  /// A range of the file in chunks, in order.
  func chunks(of range: Range<Int>) throws -> [Range<Int>] {
    var chunks: [Range<Int>] = []
    var start = range.lowerBound
    while start < range.upperBound {
      var end = range.upperBound
      if end - start > Self.chunkByteCount + Self.searchByteCount {
        end = try cut(near: start + Self.chunkByteCount, searching: Self.searchByteCount)
      }
      chunks.append(start..<end)
      start = end
    }
    return chunks
  }

  /// The best place to cut the text at `position` or less than `length` bytes after it: the start of a line that
  /// follows text and begins with text, where no tokenizer's word reaches across; else of any line; else of a character.
  private func cut(near position: Int, searching length: Int) throws -> Int {
    let start = max(position - 2, 0)
    let end = min(position + max(length, 4), file.byteCount)
    let bytes = try file.read(start..<end, files: files)
    let places = position - start..<max(bytes.count, position - start)
    let lineStarts = places.prefix(max(length, 1)).filter { $0 > 0 && bytes[$0 - 1] == UInt8(ascii: "\n") }
    let clean = lineStarts.first { $0 > 1 && !Self.isSpace(bytes[$0 - 2]) && !Self.isSpace(bytes[$0]) }
    let place = clean ?? lineStarts.first ?? places.first { bytes[$0] & 0xc0 != 0x80 } ?? places.upperBound
    return start + place
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
}
