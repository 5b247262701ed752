/// What a message is about; the receiver names the same tag.
///
/// The tags of one communicator are divided, so that messages of different kinds never meet:
///
/// | values           | used by                                                        |
/// |------------------|----------------------------------------------------------------|
/// | 0 ..< 2²⁰        | callers, through `Tag(_:)`                                     |
/// | 2²⁰ ..< 2²¹      | collectives, one value per kind (and round)                    |
/// | 2²¹ ..< 2²² + 2²¹| pending sums: two values per sum, by its number in the group   |
///
/// Collectives need one value per kind only: a collective returns when all its messages are done, and messages of one
/// sender and tag arrive in the order in which they were sent. MPICH 4.0.2 has room up to 2²⁸ − 1.
package struct Tag: Hashable, Sendable {
  package let value: Int32

  /// How many tags callers have.
  package static let userCount: Int32 = 1 << 20

  /// A caller's tag: `0 ..< userCount`.
  package init(_ value: Int32) {
    precondition(value >= 0 && value < Self.userCount, "tag \(value) of \(Self.userCount)")
    self.value = value
  }

  private init(reserved value: Int32) { self.value = value }

  /// The operations written on top of point-to-point messages.
  enum Collective: Int32 {
    case barrier, broadcast, gather, allGather, sizes
  }

  /// The tag of a collective; `round` tells the messages of its stages apart.
  static func collective(_ kind: Collective, round: Int = 0) -> Tag {
    precondition(round >= 0 && round < 64, "round \(round) of 64")
    return Tag(reserved: userCount + kind.rawValue << 6 + Int32(round))
  }

  /// The stages of a sum over ranks.
  enum SumStage: Int32 {
    case slices, totals
  }

  /// The tag of a stage of the `number`-th sum of a group. A tag comes back after 2²¹ sums; that many are never in flight.
  static func sum(number: Int, stage: SumStage) -> Tag {
    Tag(reserved: userCount << 1 + Int32(number & (1 << 21 - 1)) << 1 + stage.rawValue)
  }
}
