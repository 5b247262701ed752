import FlightRecorder
import Watchdog

/// One connection to the server, from its first byte to its last.
struct Visitor {
  private enum Stage {
    /// What has arrived of the request.
    case asking([UInt8])
    /// What is left of the answer.
    case answering(ArraySlice<UInt8>)
    /// The answer has left; whatever else arrives is not looked at. A socket that is closed with bytes unread would take
    /// the answer back.
    case leaving
  }

  let socket: Socket
  /// Nanoseconds of the monotonic clock: who takes longer is not waited for.
  let deadline: UInt64
  private var stage = Stage.asking([])

  private static let patience: UInt64 = 5_000_000_000

  init(_ socket: Socket, at now: UInt64) {
    self.socket = socket
    deadline = now &+ Self.patience
  }

  var waitsForRoom: Bool { if case .answering = stage { true } else { false } }

  /// Goes on as far as it can without waiting.
  ///
  /// - Returns: whether the connection is still of use.
  mutating func goOn(page: () -> String) -> Bool {
    while true {
      switch stage {
      case .asking(let bytes):
        switch socket.receive() {
        case .end: return false
        case .nothing: return true
        case .bytes(let more):
          let arrived = bytes + more
          stage = Response(to: RequestHead(arrived), page: page).map { .answering($0.bytes[...]) } ?? .asking(arrived)
        }
      case .answering(let bytes):
        guard let count = socket.send(bytes) else { return false }
        guard count > 0 else { return true }
        let rest = bytes.dropFirst(count)
        stage = rest.isEmpty ? .leaving : .answering(rest)
        if rest.isEmpty { socket.finishSending() }
      case .leaving:
        switch socket.receive() {
        case .end: return false
        case .nothing: return true
        case .bytes: break
        }
      }
    }
  }
}
