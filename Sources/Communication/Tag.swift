/// What a message is about; the receiver names the same tag.
///
/// The tags of one communicator are divided, so that messages of different kinds never meet:
///
/// | values           | used by                                                        |
/// |------------------|----------------------------------------------------------------|
/// | 0 ..< 2²⁰        | callers, through `Tag(_:)`                                     |
/// | 2²⁰ ..< 2²¹      | collectives, one value per kind (and round)                    |
/// | 2²¹ ..< 2²²      | sums: one value per sum, by its number in the group            |
///
/// A collective needs one value per kind only: it returns when all its messages are done, and messages of one sender and
/// tag arrive in the order in which they were sent. Sums overlap each other, hence the numbers. MPICH 4.0.2 has room up to 2²⁸ − 1.
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
    case barrier, broadcast, gather, gatherBytes, allGather, clock
  }

  /// The tag of a collective; `round` tells the messages of its stages apart.
  static func collective(_ kind: Collective, round: Int = 0) -> Tag {
    precondition(round >= 0 && round < 64, "round \(round) of 64")
    return Tag(reserved: userCount + kind.rawValue << 6 + Int32(round))
  }

  /// The tag of the `number`-th sum of a group. A tag comes back after 2²¹ sums; that many are never in flight.
  static func sum(number: Int) -> Tag {
    Tag(reserved: userCount << 1 + Int32(number & (1 << 21 - 1)))
  }
}
