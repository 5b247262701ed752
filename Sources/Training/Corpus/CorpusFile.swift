package import Checkpoints
import Tensors

/// A file of the corpus and what one look through it has shown.
package struct CorpusFile: Hashable, Sendable {
  package let path: String
  package let byteCount: Int
  /// XXH64 of the content.
  package let digest: UInt64
  /// A NUL byte among the first 8 KiB, as in almost no text and almost every other file.
  package let isBinary: Bool
  package let isUTF8: Bool

  /// Reads a file from end to end, a piece at a time.
  package init(reading path: String, files: any FileSystem) throws(CheckpointError) {
    var digest = Digest()
    var utf8 = UTF8Check()
    var isBinary = false
    let size = try files.withFile(try files.open(path)) { file throws(CheckpointError) in
      let size = try files.size(of: file)
      let room = Buffer<UInt8>(count: Self.pieceByteCount)
      for start in stride(from: 0, to: size, by: Self.pieceByteCount) {
        let piece = room[0..<min(Self.pieceByteCount, size - start)]
        try files.readAll(file, at: start, into: piece)
        digest.update(piece)
        let bytes = piece.elements
        utf8.take(bytes)
        if start == 0 { isBinary = bytes.prefix(Self.binaryCheckByteCount).contains(0) }
      }
      return size
    }
    self.path = path
    byteCount = size
    self.digest = digest.value
    self.isBinary = isBinary
    isUTF8 = utf8.isValid
  }

  private static let pieceByteCount = 1 << 20
  private static let binaryCheckByteCount = 8 << 10

  /// Reads a part of the file, which must still have its size.
  func read(_ range: Range<Int>, files: any FileSystem) throws -> [UInt8] {
    try files.withFile(try files.open(path)) { file throws(CheckpointError) in
      guard try files.size(of: file) == byteCount else {
        throw CheckpointError(.malformed, path, "the file has changed since the run began; start again")
      }
      let bytes = Buffer<UInt8>(count: range.count)
      try files.readAll(file, at: range.lowerBound, into: bytes)
      return bytes.elements
    }
  }
}

/// Whether bytes that come in pieces are UTF-8.
private struct UTF8Check {
  private var isValidSoFar = true
  /// The start of a character at the end of the last piece.
  private var carried: [UInt8] = []

  var isValid: Bool { isValidSoFar && carried.isEmpty }

  mutating func take(_ piece: [UInt8]) {
    guard isValidSoFar else { return }
    let bytes = carried + piece
    let whole = bytes.count - Self.incompleteTail(of: bytes)
    isValidSoFar = String(validating: bytes[..<whole], as: UTF8.self) != nil
    carried = Array(bytes[whole...])
  }

  /// How many of the last bytes begin a character and do not end it.
  private static func incompleteTail(of bytes: [UInt8]) -> Int {
    let tail = bytes.suffix(3)
    guard let lead = tail.lastIndex(where: { $0 & 0xc0 != 0x80 }), bytes[lead] >= 0xc0 else { return 0 }
    let length = bytes[lead] >= 0xf0 ? 4 : bytes[lead] >= 0xe0 ? 3 : 2
    return bytes.count - lead < length ? bytes.count - lead : 0
  }
}
