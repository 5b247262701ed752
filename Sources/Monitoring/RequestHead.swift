/// The beginning of an HTTP/1 request, as far as a server needs it that has one page.
enum RequestHead: Hashable {
  /// More has to arrive.
  case incomplete
  /// Nothing that this server understands.
  case malformed
  case tooLong
  /// - Parameter path: without a query.
  case request(method: String, path: String)

  /// What a head may have at most, in bytes.
  static let mostBytes = 8 << 10

  /// Reads what has arrived, which may be anything.
  init(_ bytes: [UInt8]) {
    guard let end = Self.end(of: bytes) else {
      self = bytes.count > Self.mostBytes ? .tooLong : .incomplete
      return
    }
    guard end <= Self.mostBytes else {
      self = .tooLong
      return
    }
    let line = bytes[..<end].prefix { $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n") }
    let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard line.allSatisfy({ (0x20..<0x7f).contains($0) }), words.count == 3,
      words[2].elementsEqual("HTTP/1.1".utf8) || words[2].elementsEqual("HTTP/1.0".utf8),
      !words[0].isEmpty, words[0].allSatisfy({ (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }),
      words[1].first == UInt8(ascii: "/")
    else {
      self = .malformed
      return
    }
    self = .request(
      method: String(decoding: words[0], as: UTF8.self),
      path: String(decoding: words[1].prefix { $0 != UInt8(ascii: "?") }, as: UTF8.self))
  }

  /// Where the empty line ends that ends a head; a lone line feed counts as the end of a line.
  private static func end(of bytes: [UInt8]) -> Int? {
    var isLineEmpty = false
    for (index, byte) in bytes.enumerated() {
      switch byte {
      case UInt8(ascii: "\n"):
        if isLineEmpty { return index + 1 }
        isLineEmpty = true
      case UInt8(ascii: "\r"): break
      default: isLineEmpty = false
      }
    }
    return nil
  }
}
