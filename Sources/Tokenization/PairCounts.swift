import HeapModule

/// How often each pair of tokens occurs in words that are being merged, kept up to date from merge to merge.
struct PairCounts: Sendable {
  /// The tokens of all words, one word after another; a word that was merged leaves a gap at its end.
  private var tokens: [Int32] = []
  private var wordStarts: [Int] = []
  private var wordLengths: [Int] = []
  private let wordCounts: [Int]

  private var statistics: [TokenPair: Statistic] = [:]
  /// Candidates, at least one for every pair with its count or more. A count that has fallen since is put right when its
  /// candidate comes up.
  private var candidates = Heap<Candidate>()
  /// Pairs whose count the current merge has raised.
  private var raised: Set<TokenPair> = []

  private struct Statistic: Sendable {
    var count = 0
    /// Every word that has the pair, and perhaps some that had it once.
    var words: [Int32] = []
  }

  /// Ordered so that the greatest is merged first.
  private struct Candidate: Comparable, Sendable {
    let count: Int
    let pair: TokenPair

    static func < (a: Candidate, b: Candidate) -> Bool { a.count != b.count ? a.count < b.count : b.pair < a.pair }
  }

  init(_ counts: WordCounts, tokenOfByte: [Int32]) {
    wordCounts = counts.counts
    for word in 0..<counts.count {
      wordStarts.append(tokens.count)
      tokens.append(contentsOf: counts.words[word].lazy.map { tokenOfByte[Int($0)] })
      wordLengths.append(tokens.count - wordStarts[word])
      for position in tokens.indices[wordStarts[word]...].dropLast() {
        change(TokenPair(left: tokens[position], right: tokens[position + 1]), by: wordCounts[word], in: word)
      }
    }
    offerRaised()
  }

  /// The pair that occurs most often, the smallest of equals; nil if none occurs `limit` times.
  mutating func popMostFrequent(atLeast limit: Int) -> TokenPair? {
    while let candidate = candidates.popMax(), candidate.count >= limit {
      let count = statistics[candidate.pair]?.count ?? 0
      if count == candidate.count { return candidate.pair }
      if count >= limit { candidates.insert(Candidate(count: count, pair: candidate.pair)) }
    }
    return nil
  }

  /// Puts one token in the place of a pair, in every word from left to right.
  mutating func merge(_ pair: TokenPair, into merged: Int32) {
    guard let words = statistics[pair]?.words else { return }
    for word in words { merge(pair, into: merged, word: Int(word)) }
    statistics[pair] = nil
    raised.remove(pair)
    offerRaised()
  }

  private mutating func merge(_ pair: TokenPair, into merged: Int32, word: Int) {
    let start = wordStarts[word]
    let end = start + wordLengths[word]
    let count = wordCounts[word]
    var write = start
    var read = start
    while read < end {
      guard read + 1 < end, tokens[read] == pair.left, tokens[read + 1] == pair.right else {
        tokens[write] = tokens[read]
        (write, read) = (write + 1, read + 1)
        continue
      }
      if write > start {
        change(TokenPair(left: tokens[write - 1], right: pair.left), by: -count, in: word)
        change(TokenPair(left: tokens[write - 1], right: merged), by: count, in: word)
      }
      if read + 2 < end {
        change(TokenPair(left: pair.right, right: tokens[read + 2]), by: -count, in: word)
        change(TokenPair(left: merged, right: tokens[read + 2]), by: count, in: word)
      }
      tokens[write] = merged
      (write, read) = (write + 1, read + 2)
    }
    wordLengths[word] = write - start
  }

  private mutating func change(_ pair: TokenPair, by amount: Int, in word: Int) {
    statistics[pair, default: Statistic()].count += amount
    guard amount > 0 else { return }
    raised.insert(pair)
    if statistics[pair]?.words.last != Int32(word) { statistics[pair]?.words.append(Int32(word)) }
  }

  private mutating func offerRaised() {
    for pair in raised {
      if let count = statistics[pair]?.count, count > 0 { candidates.insert(Candidate(count: count, pair: pair)) }
    }
    raised.removeAll(keepingCapacity: true)
  }
}
