package import Foundation

/// A file that gets whole lines at its end: the measurements of a run, its log.
package struct LineFile: Sendable {
  private let handle: FileHandle
  /// Where the last whole line ends.
  private var end: UInt64

  /// - Parameters:
  ///   - handle: of a file that is open for writing, and stays this one's.
  ///   - end: where the next line belongs.
  package init(_ handle: FileHandle, end: UInt64) {
    self.handle = handle
    self.end = end
  }

  /// Writes a line. One that cannot be written whole leaves nothing, and others may follow.
  package mutating func append(_ line: String) throws {
    let bytes = Data((line + "\n").utf8)
    do {
      try handle.write(contentsOf: bytes)
      end += UInt64(bytes.count)
    } catch {
      try? handle.truncate(atOffset: end)
      throw error
    }
  }
}
