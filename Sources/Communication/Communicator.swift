package import Tensors
package import Topology

/// What a message is about; the receiver names the same tag. At most 2²⁸ − 1 (MPICH 4.0.2).
package struct Tag: Hashable, Sendable {
  package let value: Int32
  package init(_ value: Int32) { self.value = value }
}

/// What a rank is doing, for the messages of errors: errors, traces and fault tests share these names.
package struct Activity: Hashable, Sendable, CustomStringConvertible {
  package enum Phase: String, Sendable {
    case start, load, forward, dispatch, experts, combine, loss, backward, reduce, optimize, evaluate, generate, save,
      end
  }

  package var phase: Phase
  package var step: Int?
  package var layer: Int?

  package init(_ phase: Phase, step: Int? = nil, layer: Int? = nil) {
    self.phase = phase
    self.step = step
    self.layer = layer
  }

  package var description: String {
    ([phase.rawValue] + [step.map { "step \($0)" }, layer.map { "layer \($0)" }].compactMap(\.self)).joined(
      separator: ", ")
  }
}

/// A group of ranks that can send each other bytes.
///
/// A communicator moves bytes and knows no tokens. It has two operations, both non-blocking; everything else, the one
/// wait and the collectives, is written once on top of them, so that the transports cannot differ in it. One thread
/// owns a communicator and everything split from it.
package protocol Communicator: AnyObject {
  /// This process's place in the group.
  var rank: Rank { get }
  /// How many ranks the group has.
  var size: Int { get }
  /// The same rank's place in the whole job, for messages.
  var worldRank: Rank { get }
  /// What this rank is doing; shared by all communicators split from one.
  var activity: Activity { get set }
  /// How long a wait may make no progress before it is reported as an error; shared like `activity`.
  var waitLimit: Duration { get set }

  /// Starts sending; the request keeps the bytes alive until it is done, and the caller leaves them as they are.
  func startSend<Element>(_ elements: Buffer<Element>, to peer: Rank, tag: Tag) throws(CommunicationError) -> Request

  /// Starts receiving at most `elements.count` elements; the request says how many bytes came.
  func startReceive<Element>(
    into elements: Buffer<Element>, from peer: Rank, tag: Tag
  ) throws(CommunicationError) -> Request

  /// Moves messages forward and marks the requests that are done. Never blocks.
  func poke(_ requests: [Request]) throws(CommunicationError)

  /// Divides the group: ranks that give the same color form a group, ordered as before. Every rank must call it.
  func split(color: Int) throws(CommunicationError) -> any Communicator
}
