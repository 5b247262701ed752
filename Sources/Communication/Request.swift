package import Tensors
package import Topology

/// The bytes of a message and the block of memory that they are part of.
package struct MessageBytes {
  let memory: Memory
  let start: UnsafeMutableRawPointer
  package let count: Int

  package init<Element>(_ elements: Buffer<Element>) {
    memory = elements.memory
    start = UnsafeMutableRawPointer(elements.pointer)
    count = elements.byteCount
  }
}

/// A message in flight. It owns its memory until it is done: the block cannot be freed under MPI.
///
/// Wait for every request that you start. Dropping one that is still in flight is a mistake in the program and stops it,
/// except when the job has failed already: then the memory is given up instead, because the transport may still use it.
package final class Request {
  package enum Direction: String, Sendable { case send, receive }

  package let direction: Direction
  /// The other end, in the communicator that the request was started on.
  package let peer: Rank
  /// The other end, in the whole job.
  package let worldPeer: Rank
  package let tag: Tag
  /// For a send, the size of the message; for a receive, the most that it may be.
  package let byteCount: Int
  /// The transport has finished with the memory. Like `transport` looked at for every request at every poke, and never
  /// while it is written.
  @exclusivity(unchecked) package internal(set) var isDone = false
  /// For a finished receive: how many bytes came.
  package internal(set) var receivedByteCount = 0

  /// The transport's own hold on the message.
  enum Transport {
    case mpi(handle: Int32)
    case loopback(Delivery)
  }

  @exclusivity(unchecked) var transport: Transport
  private let memory: Memory
  private let job: JobState

  init(
    _ direction: Direction, _ bytes: MessageBytes, peer: Rank, of communicator: some Communicator, tag: Tag,
    transport: Transport
  ) {
    self.direction = direction
    self.peer = peer
    worldPeer = communicator.worldRanks[peer.index]
    self.tag = tag
    byteCount = bytes.count
    memory = bytes.memory
    job = communicator.job
    self.transport = transport
  }

  deinit {
    guard !isDone else { return }
    precondition(job.hasFailed, "a \(direction.rawValue) with \(worldPeer) was dropped in flight (tag \(tag.value))")
    _ = Unmanaged.passRetained(memory)
  }

  /// Checks that a finished receive brought exactly what it had room for.
  package func requireFull() throws(CommunicationError) {
    guard direction == .receive, receivedByteCount != byteCount else { return }
    throw job.fail(
      .unexpectedMessage,
      "a message of \(receivedByteCount) bytes from \(worldPeer) where \(byteCount) were expected (tag \(tag.value))")
  }

  /// The error for a message that is longer than the room made for it.
  func tooLong(_ detail: String) -> CommunicationError {
    job.fail(
      .unexpectedMessage,
      "a message from \(worldPeer) is longer than the \(byteCount) bytes expected (tag \(tag.value)): \(detail)")
  }
}
