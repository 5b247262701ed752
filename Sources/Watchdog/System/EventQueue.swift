import CLinux

/// Tells which sockets have something to say, in the order in which they began to: of ranks that end one shortly after the
/// other, the first is to blame. It tells once: whoever is told reads everything.
package struct EventQueue {
  private let descriptor = switchyard_epoll_create()
  private var ready = [Int32](repeating: -1, count: 256)

  package init() {}

  /// A socket that is closed leaves by itself.
  package func add(_ socket: Socket) { _ = switchyard_epoll_add(descriptor, socket.descriptor) }

  func remove(_ socket: Socket) { _ = switchyard_epoll_remove(descriptor, socket.descriptor) }

  /// Waits for the first, but no longer than this.
  package mutating func wait(milliseconds: Int32) -> [Int32] {
    let count = unsafe switchyard_epoll_wait(descriptor, &ready, Int32(ready.count), milliseconds)
    return Array(ready.prefix(Int(max(count, 0))))
  }
}
