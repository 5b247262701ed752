/// An expert of a layer, counted over all ranks: `0 ..< expertCount`.
package struct GlobalExpert: Hashable, Comparable, Sendable {
  package let index: Int
  @inlinable package init(_ index: Int) { self.index = index }
  package static func < (left: GlobalExpert, right: GlobalExpert) -> Bool { left.index < right.index }
}

/// An expert of a layer, counted among those that one rank hosts.
package struct LocalExpert: Hashable, Comparable, Sendable {
  package let index: Int
  @inlinable package init(_ index: Int) { self.index = index }
  package static func < (left: LocalExpert, right: LocalExpert) -> Bool { left.index < right.index }
}
