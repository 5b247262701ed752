import CLinux

/// Tells which sockets have something to say, and in which order they ended: of ranks that end one shortly after the other,
/// the first is to blame.
package struct EventQueue {
  private let speaking = switchyard_epoll_create()
  private let ending = switchyard_epoll_create()
  private var found = [Int32](repeating: -1, count: 256)

  package init() {}

  /// A socket that is closed leaves by itself.
  package func add(_ socket: Socket) {
    _ = switchyard_epoll_add(speaking, socket.descriptor)
    _ = switchyard_epoll_add_end(ending, socket.descriptor)
  }

  func remove(_ socket: Socket) {
    for queue in [speaking, ending] { _ = switchyard_epoll_remove(queue, socket.descriptor) }
  }

  /// Sockets that can be read, after waiting for the first, but no longer than this.
  package mutating func wait(milliseconds: Int32) -> [Int32] { ask(speaking, milliseconds) }

  /// Sockets of which the other end has gone since the last time, in that order.
  package mutating func ended() -> [Int32] { ask(ending, 0) }

  private mutating func ask(_ queue: Int32, _ milliseconds: Int32) -> [Int32] {
    let count = unsafe switchyard_epoll_wait(queue, &found, Int32(found.count), milliseconds)
    return Array(found.prefix(Int(max(count, 0))))
  }
}
