/// `count` items divided over `parts` in contiguous blocks whose sizes differ by at most one.
///
/// The one rule for "who holds what": experts over ranks, sequences over ranks, slices of a reduction.
/// Part `p` holds `p·count/parts ..< (p+1)·count/parts`.
package struct BlockPartition: Hashable, Sendable {
  package let count: Int
  package let parts: Int

  package init(count: Int, parts: Int) {
    precondition(count >= 0 && parts > 0, "cannot divide \(count) items over \(parts) parts")
    self.count = count
    self.parts = parts
  }

  package func range(of part: Int) -> Range<Int> {
    precondition(part >= 0 && part < parts, "part \(part) of \(parts)")
    return part * count / parts..<(part + 1) * count / parts
  }

  package func size(of part: Int) -> Int { range(of: part).count }

  /// The size of the largest part.
  package var largestSize: Int { (count + parts - 1) / parts }

  /// The part that holds an item.
  package func part(of item: Int) -> Int {
    precondition(item >= 0 && item < count, "item \(item) of \(count)")
    return ((item + 1) * parts - 1) / count
  }
}
