import FlightRecorder
import Synchronization
package import Watchdog

/// Serves one page, `GET /metrics`, on the loopback interface, from a thread of its own. Nothing that a client does or leaves
/// undone holds up another client or the process.
package final class MetricsServer: Sendable {
  package let port: UInt16
  private let listener: Socket
  private let bell = Bell()
  private let wish = Wish()
  private let thread = Mutex<WatchThread?>(nil)

  /// What the thread looks at, so that it holds nothing of the server itself.
  private final class Wish: Sendable { let isStopping = Atomic<Bool>(false) }

  /// More at once are not of a scraper; the oldest goes for the newest.
  private static let mostVisitors = 16
  /// How long a visitor is waited for before deadlines are looked at, in milliseconds.
  private static let glance: Int32 = 500

  /// Takes a port, and answers nobody yet.
  ///
  /// - Parameter port: 0 lets the system choose.
  package init(port: UInt16) throws(SocketError) {
    (listener, self.port) = try Socket.listenOnLoopback(port: port)
  }

  deinit { stop() }

  /// Begins to answer.
  ///
  /// - Parameter page: makes the page, on the server's thread.
  package func start(page: @escaping @Sendable () -> String) {
    let (listener, bell, wish) = (listener, bell, wish)
    thread.withLock { thread in
      guard thread == nil else { return }
      thread = WatchThread { Self.serve(listener, bell, page: page, until: wish) }
    }
  }

  /// Answers nobody any more, and gives the port back.
  package func stop() {
    guard !wish.isStopping.exchange(true, ordering: .acquiringAndReleasing) else { return }
    bell.ring()
    thread.withLock { $0.take() }?.join()
    listener.close()
  }

  private static func serve(
    _ listener: Socket, _ bell: Bell, page: () -> String, until wish: Wish
  ) {
    var visitors: [Visitor] = []
    while !wish.isStopping.load(ordering: .acquiring) {
      let (answered, asking) = (visitors.filter(\.waitsForRoom), visitors.filter { !$0.waitsForRoom })
      Socket.wait(
        for: [listener, bell.ear] + asking.map(\.socket), roomOf: answered.map(\.socket),
        milliseconds: visitors.isEmpty ? -1 : glance)
      let now = monotonicNanoseconds()
      while let socket = listener.accept() {
        if visitors.count == mostVisitors { visitors.removeFirst().socket.close() }
        visitors.append(Visitor(socket, at: now))
      }
      var staying: [Visitor] = []
      for var visitor in visitors {
        if now < visitor.deadline, visitor.goOn(page: page) { staying.append(visitor) } else { visitor.socket.close() }
      }
      visitors = staying
    }
    for visitor in visitors { visitor.socket.close() }
  }
}
