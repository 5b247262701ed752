import HeapModule

/// Merges the tokens of one word: again and again the pair of the lowest rank, the leftmost of equals, until no pair of
/// neighbours is in the table. n tokens take O(n log n) time.
///
/// The tokens form a linked list. Candidates wait in a heap; one whose tokens have changed since is passed over when it
/// comes up. The memory is kept from word to word.
struct WordMerger: Sendable {
  private var tokens: [Int32] = []
  /// Position of the next token that is still there; the count of tokens at the end.
  private var next: [Int32] = []
  private var previous: [Int32] = []
  private var candidates = Heap<Candidate>()

  private struct Candidate: Comparable, Sendable {
    let merge: Merge
    let position: Int32
    let pair: TokenPair

    static func < (a: Candidate, b: Candidate) -> Bool {
      (a.merge.rank, a.position) < (b.merge.rank, b.position)
    }
  }

  /// Merges `word` and appends the tokens that are left to `result`.
  mutating func merge(_ word: [Int32], by table: MergeTable, into result: inout [Int32]) {
    link(word)
    for position in word.indices.dropLast() { consider(Int32(position), table) }
    while let candidate = candidates.popMin() {
      let right = next[Int(candidate.position)]
      guard Int(right) < tokens.count, tokens[Int(candidate.position)] == candidate.pair.left,
        tokens[Int(right)] == candidate.pair.right
      else { continue }
      join(candidate, right)
      consider(candidate.position, table)
      let left = previous[Int(candidate.position)]
      if left >= 0 { consider(left, table) }
    }
    var position = 0
    while position < tokens.count {
      result.append(tokens[position])
      position = Int(next[position])
    }
  }

  private mutating func link(_ word: [Int32]) {
    tokens.removeAll(keepingCapacity: true)
    tokens.append(contentsOf: word)
    next.removeAll(keepingCapacity: true)
    previous.removeAll(keepingCapacity: true)
    for position in 0..<Int32(word.count) {
      next.append(position + 1)
      previous.append(position - 1)
    }
  }

  /// Puts the pair that starts at a position among the candidates, if the table has it.
  private mutating func consider(_ position: Int32, _ table: MergeTable) {
    let right = next[Int(position)]
    guard Int(right) < tokens.count else { return }
    let pair = TokenPair(left: tokens[Int(position)], right: tokens[Int(right)])
    if let merge = table[pair] { candidates.insert(Candidate(merge: merge, position: position, pair: pair)) }
  }

  /// The left token becomes the merged one; the right one leaves the list.
  private mutating func join(_ candidate: Candidate, _ right: Int32) {
    let after = next[Int(right)]
    tokens[Int(candidate.position)] = candidate.merge.merged
    tokens[Int(right)] = Self.removed
    next[Int(candidate.position)] = after
    if Int(after) < tokens.count { previous[Int(after)] = candidate.position }
  }

  /// Stands where a token was; no pair contains it.
  private static let removed: Int32 = -1
}
