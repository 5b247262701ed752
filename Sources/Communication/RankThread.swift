import Glibc

/// Threads that play ranks, or help one. A thread that helps a rank sends no messages: the rank's own thread does.
package enum RankThread {
  /// As the main thread has on Linux.
  private static let stackByteCount = 8 << 20

  /// Runs `body` for every rank below `count` at once, and returns when all have ended.
  static func runAll(count: Int, _ body: @escaping @Sendable (_ rank: Int) -> Void) {
    let threads = (0..<count).map { rank in start { body(rank) } }
    for thread in threads { pthread_join(thread, nil) }
  }

  /// Starts a thread that nobody waits for.
  package static func startDetached(_ body: @escaping @Sendable () -> Void) { pthread_detach(start(body)) }

  /// A pause of a thread that looks again and again whether something has happened.
  package static func nap() { usleep(50) }

  private final class Work {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  private static func start(_ body: @escaping @Sendable () -> Void) -> pthread_t {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, stackByteCount)
    var thread = pthread_t()
    let work = Unmanaged.passRetained(Work(body)).toOpaque()
    let status = pthread_create(
      &thread, &attributes,
      { argument in
        if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
        return nil
      }, work)
    precondition(status == 0, "cannot start a thread: \(String(cString: strerror(status)))")
    return thread
  }
}
