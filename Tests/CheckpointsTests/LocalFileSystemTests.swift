import CLinux
import Checkpoints
import Foundation
import Glibc
import Tensors
import Testing

/// Writes that go past the page cache beside those that do not.
@Suite("Local files")
struct LocalFileSystemTests {
  private let folder: TemporaryFolder
  private let disk = LocalFileSystem()
  private static let page = Memory.pageSize

  init() throws { folder = try TemporaryFolder() }

  /// Bytes that begin at a page of memory.
  private func pages(_ count: Int, seed: Int) -> Buffer<UInt8> {
    let byteCount = count * Self.page
    let bytes = Buffer<UInt8>(Memory(byteCount: byteCount, alignment: Self.page), byteOffset: 0, count: byteCount)
    for index in 0..<byteCount { bytes[index] = UInt8(truncatingIfNeeded: (index + seed) &* 167 >> 3) }
    return bytes
  }

  @Test("whole pages and the bytes around them are all there", arguments: [0, 1, 4095, 4096])
  func pagesAmongBytes(start: Int) throws {
    let path = folder.file("pages")
    let content = pages(48, seed: start)
    let whole = 16 * Self.page..<40 * Self.page
    var expected = Array(repeating: UInt8(0), count: start) + content.elements
    try disk.withFile(disk.create(path)) { file throws(CheckpointError) in
      try disk.writeAll(file, at: start, from: content[0..<whole.lowerBound])
      try disk.writeAll(file, at: start + whole.lowerBound, from: content[whole])
      try disk.writeAll(file, at: start + whole.upperBound, from: content[whole.upperBound..<content.count])
      // A page that was written past the cache is changed in it, and the other way round.
      try disk.writeAll(file, at: start + whole.upperBound - 100, from: content[0..<10])
      try disk.writeAll(file, at: 0, from: content[whole])
      try disk.sync(file)
    }
    for index in 0..<10 { expected[start + whole.upperBound - 100 + index] = content[index] }
    expected.replaceSubrange(0..<whole.count, with: content[whole].elements)
    #expect(try disk.contents(of: path, limit: .max) == expected)
  }

  /// Whether the folder of temporary files is on a file system that can.
  private static let canWriteDirectly: Bool = {
    guard let folder = try? TemporaryFolder(), let file = try? LocalFileSystem().create(folder.file("probe")) else {
      return false
    }
    defer { try? LocalFileSystem().close(file) }
    return switchyard_set_direct(file.descriptor, 1) == 0
  }()

  @Test(
    "many whole pages leave nothing in the page cache",
    .enabled(if: canWriteDirectly, "skipped: the temporary folder's file system has no direct writes"))
  func direct() throws {
    let content = pages(256, seed: 3)
    for (name, parts) in [("direct", 1), ("cached", 64)] {
      let path = folder.file(name)
      try disk.withFile(disk.create(path)) { file throws(CheckpointError) in
        let size = content.count / parts
        for part in 0..<parts {
          try disk.writeAll(file, at: part * size, from: content[part * size..<(part + 1) * size])
        }
      }
      #expect(try (cachedPageCount(path) == 0) == (parts == 1), "\(name)")
    }
  }

  /// How many pages of a file are in the page cache.
  private func cachedPageCount(_ path: String) throws -> Int {
    let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    let byteCount = Int(try file.seekToEnd())
    let map = try #require(mmap(nil, byteCount, PROT_READ, MAP_SHARED, file.fileDescriptor, 0))
    defer { munmap(map, byteCount) }
    var isCached = [UInt8](repeating: 0, count: byteCount / Self.page)
    try #require(mincore(map, byteCount, &isCached) == 0)
    return isCached.count { $0 & 1 == 1 }
  }
}
