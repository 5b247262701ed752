/// A Unicode scalar read from bytes.
///
/// A byte that is not part of valid UTF-8 counts as one scalar of its own, read as U+FFFD: text that is not UTF-8 is
/// split and encoded like any other, and its bytes come back unchanged.
struct DecodedScalar {
  let value: UInt32
  /// How many bytes it takes.
  let length: Int
  let isValid: Bool

  @inline(__always) init(_ value: UInt32, length: Int) {
    self.value = value
    self.length = length
    isValid = true
  }

  @inline(__always) private init() {
    value = 0xfffd
    length = 1
    isValid = false
  }

  static var invalidByte: DecodedScalar { DecodedScalar() }
}

/// The scalar that starts at a byte, by table 3-7 of the Unicode standard (well-formed UTF-8).
@inline(__always) func decodeScalar(_ text: Span<UInt8>, at position: Int) -> DecodedScalar {
  let first = text[position]
  return first < 0x80 ? DecodedScalar(UInt32(first), length: 1) : decodeLongScalar(text, at: position)
}

private func decodeLongScalar(_ text: Span<UInt8>, at position: Int) -> DecodedScalar {
  let first = text[position]
  let length: Int
  var second: ClosedRange<UInt8> = 0x80...0xbf
  switch first {
  case 0xc2...0xdf: length = 2
  case 0xe0...0xef:
    length = 3
    if first == 0xe0 { second = 0xa0...0xbf }
    if first == 0xed { second = 0x80...0x9f }
  case 0xf0...0xf4:
    length = 4
    if first == 0xf0 { second = 0x90...0xbf }
    if first == 0xf4 { second = 0x80...0x8f }
  default: return .invalidByte
  }
  guard position + length <= text.count, second.contains(text[position + 1]) else { return .invalidByte }
  var value = UInt32(first) & (0x7f >> UInt32(length))
  for offset in 1..<length {
    let byte = text[position + offset]
    guard byte & 0xc0 == 0x80 else { return .invalidByte }
    value = value << 6 | UInt32(byte & 0x3f)
  }
  return DecodedScalar(value, length: length)
}

/// The start of the scalar that ends just before a byte.
func scalarStart(_ text: Span<UInt8>, before end: Int) -> Int {
  for length in 2...4 where length <= end && decodeScalar(text, at: end - length).length == length {
    return end - length
  }
  return end - 1
}
