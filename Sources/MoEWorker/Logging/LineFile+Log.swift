import Foundation
import Training

extension LineFile {
  /// More than any line of a log has.
  private static let tailByteCount: UInt64 = 64 << 10

  /// Opens a file, which is made if it is not there. What a process that was killed has left of a line is cut off.
  init(appendingTo path: String) throws {
    if !FileManager.default.fileExists(atPath: path) {
      try Data().write(to: URL(fileURLWithPath: path), options: .withoutOverwriting)
    }
    let kind = try FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType
    guard kind == .typeRegular else { throw CocoaError(.fileWriteFileExists) }
    let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    let size = try handle.seekToEnd()
    let start = size - min(size, Self.tailByteCount)
    try handle.seek(toOffset: start)
    let tail = try handle.readToEnd() ?? Data()
    let newline = tail.lastIndex(of: UInt8(ascii: "\n")).map { UInt64(tail.distance(from: tail.startIndex, to: $0)) }
    let end = newline.map { start + $0 + 1 } ?? start
    if end < size { try handle.truncate(atOffset: end) }
    try handle.seek(toOffset: end)
    self.init(handle, end: end)
  }
}
