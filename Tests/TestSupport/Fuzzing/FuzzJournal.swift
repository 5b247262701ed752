import Foundation

/// A file that says which input is being read. It is a page of memory, so noting a number costs one store, and a trap
/// that ends the process leaves it: a journal that is there after a run names the input that ended it.
final class FuzzJournal {
  private let path: String
  private let text: UnsafeMutableRawPointer
  private let prefixCount: Int

  private static let byteCount = 4096
  private static let digitCount = 19

  /// - Throws: if the temporary folder cannot be written to.
  init(target: String, seed: Int) throws {
    let folder = FileManager.default.temporaryDirectory.path + "/switchyard-fuzz"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let name = target.map { $0.isLetter || $0.isNumber ? String($0) : "-" }.joined()
    path = "\(folder)/\(getpid())-\(name)"
    let prefix = Array("target \(target), seed \(seed), input ".utf8)
    prefixCount = prefix.count
    let spaces = [UInt8](repeating: UInt8(ascii: " "), count: Self.byteCount - prefix.count - 1)
    try Data(prefix + spaces + [UInt8(ascii: "\n")]).write(to: URL(fileURLWithPath: path))
    let descriptor = open(path, O_RDWR | O_CLOEXEC)
    defer { close(descriptor) }
    guard descriptor >= 0,
      let mapped = mmap(nil, Self.byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), mapped != MAP_FAILED
    else { throw FuzzFault(description: "\(path) cannot be mapped") }
    text = mapped
  }

  deinit { munmap(text, Self.byteCount) }

  func begin(_ number: Int) {
    var rest = number
    for digit in (0..<Self.digitCount).reversed() {
      text.storeBytes(of: UInt8(ascii: "0") + UInt8(rest % 10), toByteOffset: prefixCount + digit, as: UInt8.self)
      rest /= 10
    }
  }

  /// The run has ended, and not by a trap.
  func end() { unlink(path) }
}
