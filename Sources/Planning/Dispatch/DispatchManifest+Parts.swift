// Relays pass the manifests of several ranks on in one message: first the number of words of each, then their words.
extension DispatchManifest {
  /// The words of a message with several manifests.
  package static func joined(_ parts: [ArraySlice<Int32>]) -> [Int32] {
    parts.map { Int32($0.count) } + parts.flatMap(\.self)
  }

  /// Cuts a message into its manifests, trusting nothing; nil if it is not so many.
  package static func parts(of words: [Int32], count: Int) -> [ArraySlice<Int32>]? {
    let sizes = words.prefix(count).map(Int.init)
    guard sizes.count == count, sizes.allSatisfy({ $0 >= 0 }), sizes.reduce(count, +) == words.count else { return nil }
    var start = count
    return sizes.map { size in
      defer { start += size }
      return words[start..<start + size]
    }
  }
}
