import Testing
import Watchdog

@Suite("Event queue")
struct EventQueueTests {
  /// Two ends of a connection.
  private struct Line {
    let near: Socket
    let far: Socket

    init() throws {
      let (listener, port) = try Socket.listenOnLoopback(port: 0)
      far = try #require(Socket.connect(to: UInt32(0x7f00_0001).bigEndian, port: port, milliseconds: 1000))
      Socket.wait(for: [listener], milliseconds: 1000)
      near = try #require(listener.accept())
      listener.close()
    }

    /// The far end goes; returns when the near one can see it.
    func end() {
      far.close()
      Socket.wait(for: [near], milliseconds: 1000)
    }
  }

  @Test("of two that end, the first is told of first, whoever spoke before")
  func order() throws {
    let (talker, other) = try (Line(), Line())
    var queue = EventQueue()
    for line in [talker, other] { queue.add(line.near) }
    #expect(queue.wait(milliseconds: 0).isEmpty && queue.ended().isEmpty)

    #expect(talker.far.send([1]) == 1)
    #expect(queue.wait(milliseconds: 1000) == [talker.near.descriptor] && queue.ended().isEmpty)
    #expect(talker.near.receive() == .bytes([1]))
    // This time it is heard only when it has ended.
    #expect(talker.far.send([2]) == 1)
    other.end()
    talker.end()
    #expect(queue.ended() == [other.near.descriptor, talker.near.descriptor])
    #expect(queue.ended().isEmpty, "an end is told of once")
    #expect(talker.near.receive() == .bytes([2]))
    for line in [talker, other] { line.near.close() }
  }
}
