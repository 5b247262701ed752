/// A process's place in a communicator: `0 ..< size`.
package struct Rank: Hashable, Comparable, Sendable, CustomStringConvertible {
  package let index: Int

  @inlinable package init(_ index: Int) { self.index = index }

  package static func < (left: Rank, right: Rank) -> Bool { left.index < right.index }
  package var description: String { "rank \(index)" }
}
