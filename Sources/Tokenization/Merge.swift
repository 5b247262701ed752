/// Two tokens that stand next to each other.
struct TokenPair: Hashable, Comparable, Sendable {
  let left: Int32
  let right: Int32

  static func < (a: TokenPair, b: TokenPair) -> Bool { (a.left, a.right) < (b.left, b.right) }
}

/// What a pair becomes, and how early.
struct Merge: Hashable, Sendable {
  /// Lower ranks are merged first.
  let rank: Int32
  let merged: Int32
}

typealias MergeTable = [TokenPair: Merge]
