import Foundation
import Glibc
import Monitoring
import Testing
import Watchdog

/// The server as its clients see it, the bad ones too.
@Suite(.serialized) struct MetricsServerTests {
  private let server: MetricsServer

  init() throws {
    server = try MetricsServer(port: 0)
    server.start { "a 1\n" }
  }

  @Test func servesOnePage() throws {
    let answer = try Client(server.port).ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.hasSuffix("\r\n\r\na 1\n"), "\(answer)")
    #expect(answer.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "\(answer)")
    #expect(answer.contains("Content-Length: 4\r\n") && answer.contains("Connection: close\r\n"), "\(answer)")
  }

  @Test func takesQueriesOldVersionsAndHeads() throws {
    #expect(try Client(server.port).ask("GET /metrics?x=1 HTTP/1.0\n\n").hasSuffix("a 1\n"))
    let head = try Client(server.port).ask("HEAD /metrics HTTP/1.1\r\n\r\n")
    #expect(head.contains("200 OK") && head.contains("Content-Length: 4") && head.hasSuffix("\r\n\r\n"), "\(head)")
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\n\r\n", "404"), ("GET /metricsx HTTP/1.1\r\n\r\n", "404"),
    ("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"), ("nonsense\r\n\r\n", "400"),
    ("GET  /metrics HTTP/1.1\r\n\r\n", "400"), ("GET /metrics HTTP/2\r\n\r\n", "400"), ("\r\n\r\n", "400"),
    ("GET metrics HTTP/1.1\r\n\r\n", "400"), ("get /metrics HTTP/1.1\r\n\r\n", "400"),
    ("GET /\u{7f} HTTP/1.1\r\n\r\n", "400"), ("\u{0}\u{1}\n\n", "400"),
    ("GET /metrics HTTP/1.1\r\nX: " + String(repeating: "x", count: 9000) + "\r\n\r\n", "431"),
    (String(repeating: "x", count: 100_000), "431"),
  ]) func refusesEverythingElse(request: String, status: String) throws {
    let answer = try Client(server.port).ask(request)
    #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
    #expect(try Client(server.port).ask("GET /metrics HTTP/1.1\r\n\r\n").hasSuffix("a 1\n"))
  }

  /// More clients than the server keeps, all of which say too little.
  @Test func slowClientsHoldUpNobody() throws {
    let slow = try (0..<40).map { _ in
      let client = try Client(server.port)
      client.send("GET /met")
      return client
    }
    let start = ContinuousClock.now
    #expect(try Client(server.port).ask("GET /metrics HTTP/1.1\r\n\r\n").hasSuffix("a 1\n"))
    #expect(start.duration(to: .now) < .seconds(1))
    withExtendedLifetime(slow) {}
  }

  @Test func aRequestMayComeInPieces() throws {
    let client = try Client(server.port)
    for piece in ["GE", "T /metrics HT", "TP/1.1\r\n", "\r"] {
      client.send(piece)
      Thread.sleep(forTimeInterval: 0.02)
    }
    #expect(try client.ask("\n").hasSuffix("a 1\n"))
  }

  /// An answer that is larger than what the system takes at once, for a client that reads late.
  @Test func aLongPageArrivesWhole() throws {
    let page = String(repeating: "b 2\n", count: 4_000_000)
    let server = try MetricsServer(port: 0)
    server.start { page }
    let client = try Client(server.port)
    client.send("GET /metrics HTTP/1.1\r\n\r\n")
    Thread.sleep(forTimeInterval: 0.2)
    #expect(try client.rest().count > page.utf8.count)
  }

  @Test func aPortIsTakenOnceAndGivenBack() throws {
    let port = server.port
    #expect(throws: SocketError.self) { try MetricsServer(port: port) }
    do throws(SocketError) { _ = try MetricsServer(port: port) } catch { #expect(error.isTaken) }
    _ = try Client(port).ask("GET /metrics HTTP/1.1\r\n\r\n")
    server.stop()
    let next = try MetricsServer(port: port)
    #expect(next.port == port)
  }

  @Test func onlyTheLoopbackIsListenedTo() throws {
    let table = try String(contentsOfFile: "/proc/net/tcp", encoding: .utf8)
    let port = String(format: ":%04X ", Int(server.port))
    let listening = table.split(separator: "\n").filter { $0.contains(port) && $0.contains(" 00000000:0000 0A ") }
    #expect(listening.count == 1 && listening[0].contains("0100007F\(port)"), "\(table)")
  }
}

/// A client that blocks, and gives up after ten seconds.
private final class Client {
  struct Failure: Error {}

  private let descriptor: Int32

  init(_ port: UInt16) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var limit = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard status == 0 else { throw Failure() }
  }

  deinit { close(descriptor) }

  func send(_ text: String) {
    let bytes = Array(text.utf8)
    _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  func ask(_ request: String) throws -> String {
    send(request)
    return String(decoding: try rest(), as: UTF8.self)
  }

  /// What arrives until the end.
  func rest() throws -> [UInt8] {
    var all: [UInt8] = []
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = recv(descriptor, &bytes, bytes.count, 0)
      guard count >= 0 else { throw Failure() }
      guard count > 0 else { return all }
      all += bytes.prefix(count)
    }
  }
}
