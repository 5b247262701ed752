import Tensors
package import Topology

/// A message in flight. It owns its memory until it is done: the block cannot be freed under MPI.
package final class Request {
  package enum Direction: String, Sendable { case send, receive }

  package let direction: Direction
  package let peer: Rank
  package let tag: Tag
  /// The transport has finished with the memory.
  package internal(set) var isDone = false
  /// For a finished receive: how many bytes came.
  package internal(set) var receivedByteCount = 0
  /// The transport's own handle.
  var handle: Int32 = 0
  private let memory: Memory

  init(_ direction: Direction, peer: Rank, tag: Tag, memory: Memory) {
    self.direction = direction
    self.peer = peer
    self.tag = tag
    self.memory = memory
  }
}
