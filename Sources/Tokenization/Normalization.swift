// The standard library's own NFC, the one under String comparison; Swift offers it publicly only through all of Foundation.
@_spi(_Unicode) import Swift

/// Unicode normalization form C of text.
enum Normalization {
  /// Below this scalar nothing changes under NFC, and nothing composes with what precedes it.
  private static let firstAffected: UInt32 = 0x300

  /// The text in NFC. Bytes that are not UTF-8 stay as they are; the text between them is normalized.
  ///
  /// Only stretches that could change are handed to the normalizer: a run of scalars from U+0300 up, with the one
  /// scalar before it, onto which the first may compose.
  static func nfc(_ text: [UInt8]) -> [UInt8] {
    guard text.contains(where: { $0 >= 0xcc }) else { return text }
    let span = text.span
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var copied = 0
    var stretch = 0
    var position = 0
    while position < span.count {
      let scalar = decodeScalar(span, at: position)
      if isAffected(scalar) {
        position = affectedEnd(span, from: position)
        result.append(contentsOf: text[copied..<stretch])
        compose(text[stretch..<position], into: &result)
        copied = position
        stretch = position
      } else {
        stretch = scalar.isValid ? position : position + 1
        position += scalar.length
      }
    }
    result.append(contentsOf: text[copied...])
    return result
  }

  private static func isAffected(_ scalar: DecodedScalar) -> Bool { scalar.isValid && scalar.value >= firstAffected }

  private static func affectedEnd(_ text: Span<UInt8>, from start: Int) -> Int {
    var end = start
    while end < text.count {
      let scalar = decodeScalar(text, at: end)
      guard isAffected(scalar) else { break }
      end += scalar.length
    }
    return end
  }

  private static func compose(_ utf8: ArraySlice<UInt8>, into result: inout [UInt8]) {
    for scalar in String(decoding: utf8, as: UTF8.self)._nfc {
      if let bytes = UTF8.encode(scalar) { result.append(contentsOf: bytes) }
    }
  }
}
