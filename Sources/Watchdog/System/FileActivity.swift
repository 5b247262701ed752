import Glibc

/// Whether the process reads or writes files, from what the kernel counts. A rank that does is not stuck, though it may
/// neither compute nor send anything for minutes.
struct FileActivity {
  /// What libraries read and write besides, a few bytes now and then, is no such sign.
  private static let noticeable: UInt64 = 64 << 10

  private var last: UInt64 = 0

  /// Whether there was any since the last look, or a thread is inside of the storage system now.
  mutating func look() -> Bool {
    let text = Self.text("/proc/self/io")
    let counted = Self.field("rchar:", in: text) &+ Self.field("wchar:", in: text)
    defer { last = counted }
    return counted &- last > Self.noticeable || Self.isInStorage
  }

  /// A thread in the state `D` waits for a device or a server of files.
  private static var isInStorage: Bool {
    guard let folder = unsafe opendir("/proc/self/task") else { return false }
    defer { unsafe closedir(folder) }
    while let entry = unsafe readdir(folder) {
      let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) {
        unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      // `123 (name) S …`: the name may hold anything.
      let fields = text("/proc/self/task/\(name)/stat").split(separator: ")").last ?? ""
      if fields.first(where: { $0 != " " }) == "D" { return true }
    }
    return false
  }

  private static func field(_ name: String, in text: String) -> UInt64 {
    let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
    return line.flatMap { UInt64($0.dropFirst(name.count).filter(\.isNumber)) } ?? 0
  }

  private static func text(_ path: String) -> String {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = unsafe read(descriptor, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
  }
}
