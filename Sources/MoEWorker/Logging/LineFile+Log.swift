import Foundation

/// A file that gets whole lines at its end.
struct LogFile {
  private let handle: FileHandle
  /// Where the last whole line ends.
  private var end: UInt64

  /// More than any line has.
  private static let tailByteCount: UInt64 = 64 << 10

  /// Opens a file, which is made if it is not there. What a process that was killed has left of a line is cut off.
  init(appendingTo path: String) throws {
    if !FileManager.default.fileExists(atPath: path) {
      try Data().write(to: URL(fileURLWithPath: path), options: .withoutOverwriting)
    }
    let kind = try FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType
    guard kind == .typeRegular else { throw CocoaError(.fileWriteFileExists) }
    handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    let size = try handle.seekToEnd()
    let start = size - min(size, Self.tailByteCount)
    try handle.seek(toOffset: start)
    let tail = try handle.readToEnd() ?? Data()
    let newline = tail.lastIndex(of: UInt8(ascii: "\n")).map { UInt64(tail.distance(from: tail.startIndex, to: $0)) }
    end = newline.map { start + $0 + 1 } ?? start
    if end < size { try handle.truncate(atOffset: end) }
    try handle.seek(toOffset: end)
  }

  /// Writes a line. One that cannot be written whole leaves nothing, and others may follow.
  mutating func append(_ line: String) throws {
    let bytes = Data((line + "\n").utf8)
    do {
      try handle.write(contentsOf: bytes)
      end += UInt64(bytes.count)
    } catch {
      try? handle.truncate(atOffset: end)
      try? handle.seek(toOffset: end)
      throw error
    }
  }
}
