/// Which of several copies is wrong, from their digests.
package struct DigestVote: Hashable, Sendable {
  /// The copies that differ from more than half of all; empty where no such majority is of one mind.
  package let odd: [Int]

  /// Nil if all copies are alike.
  package init?(_ digests: [UInt64]) {
    guard let first = digests.first, digests.contains(where: { $0 != first }) else { return nil }
    let counts = Dictionary(digests.map { ($0, 1) }, uniquingKeysWith: +)
    let majority = counts.first { 2 * $0.value > digests.count }?.key
    odd = majority.map { majority in digests.indices.filter { digests[$0] != majority } } ?? []
  }
}
