/// How byte-level tokenizers write bytes as printable characters, so that a token is always text (GPT-2's
/// `bytes_to_unicode`): printable Latin-1 bytes stand for themselves, the others for U+0100 and up in byte order.
/// A space becomes "Ġ", a line feed "Ċ".
enum ByteAlphabet {
  /// The character of each byte.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (UInt8.min...UInt8.max).map { byte in
      switch byte {
      case 0x21...0x7e, 0xa1...0xac, 0xae...0xff: return Unicode.Scalar(byte)
      default:
        defer { next += 1 }
        return Unicode.Scalar(next) ?? "\u{fffd}"
      }
    }
  }()

  /// The byte of each character, by the character's number.
  private static let bytes: [UInt8?] = {
    var bytes = [UInt8?](repeating: nil, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = UInt8(byte) }
    return bytes
  }()

  /// The text, in UTF-8, that stands for some bytes.
  static func text(for bytes: some Sequence<UInt8>) -> [UInt8] {
    bytes.flatMap { Array(String(scalars[Int($0)]).utf8) }
  }

  /// The bytes that a token's text stands for; a text with a character outside of the alphabet stands for itself.
  static func bytes(for text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      guard scalar.value < 0x144, let byte = bytes[Int(scalar.value)] else { return text }
      result.append(byte)
    }
    return result
  }
}
