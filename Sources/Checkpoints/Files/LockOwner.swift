import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Who holds a lock, for the message of the one that does not get it.
struct LockOwner: Hashable, Sendable, CustomStringConvertible {
  let host: String
  let process: Int

  /// This process.
  static var current: LockOwner {
    var name = utsname()
    let isKnown = unsafe uname(&name) == 0
    let host = unsafe withUnsafeBytes(of: name.nodename) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    return LockOwner(host: isKnown ? host : "unknown", process: Int(getpid()))
  }

  var description: String { "process \(process) on host \(host)" }

  // MARK: Its file

  /// JSON, filled up with spaces.
  func record(byteCount: Int) -> Buffer<UInt8> {
    let document: JSONValue = ["host": .string(host), "process": .integer(process)]
    let text = Array(document.description.utf8)
    precondition(text.count < byteCount, "the owner of a lock takes \(text.count) bytes of \(byteCount)")
    let spaces = [UInt8](repeating: UInt8(ascii: " "), count: byteCount - 1 - text.count)
    return Buffer(text + spaces + [UInt8(ascii: "\n")])
  }
}

extension LockOwner {
  /// Nil for a file that no program of ours has written to its end.
  init?(record: [UInt8]) {
    guard let members = (try? JSONReader.parse(record))?.object, let host = members["host"]?.string,
      let process = members["process"]?.integer
    else { return nil }
    self.init(host: host, process: process)
  }
}
