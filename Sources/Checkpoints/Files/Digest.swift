import CXXHash
package import Tensors

/// A 64-bit digest of bytes, against damage on disks and networks; it does not protect against intent.
///
/// XXH64 with seed 0 (Collet, xxHash fast digest algorithm, specification 0.1.1), computed by its author's library. In Python,
/// `xxhash.xxh64(bytes).hexdigest()` gives the same.
@safe package struct Digest: ~Copyable {
  private let state: OpaquePointer

  package init() {
    guard let state = unsafe XXH64_createState() else { fatalError("out of memory: the state of a digest") }
    unsafe XXH64_reset(state, 0)
    unsafe self.state = state
  }

  deinit { unsafe XXH64_freeState(state) }

  /// Takes in the next bytes, of any number.
  package mutating func update<Element>(_ values: Buffer<Element>) {
    unsafe XXH64_update(state, values.pointer, values.byteCount)
  }

  /// The digest of all that was taken in.
  package var value: UInt64 { unsafe XXH64_digest(state) }

  /// The same as 16 hexadecimal digits.
  package var hexadecimal: String { Self.hexadecimal(value) }

  static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: hexadecimalCount - digits.count) + digits
  }

  package static let hexadecimalCount = 16
}

extension Digest {
  /// The digest of a whole buffer.
  package init<Element>(of values: Buffer<Element>) {
    self.init()
    update(values)
  }

  /// The digest of a small file's content.
  package init(of bytes: [UInt8]) { self.init(of: Buffer(bytes)) }
}
