/// One end of a connection between two watching threads: what is under way in both directions.
struct Connection {
  let socket: Socket
  private var arrived: [UInt8] = []
  private var leaving: ArraySlice<UInt8> = []

  init(_ socket: Socket) { self.socket = socket }

  struct News {
    var frames: [Frame] = []
    /// The other end sends no more.
    var hasEnded = false
    /// What has arrived is no frame.
    var isNonsense = false
    /// Nothing more will come of it.
    var isLast: Bool { hasEnded || isNonsense }
  }

  /// What has arrived.
  mutating func receive() -> News {
    var news = News()
    reading: while true {
      switch socket.receive() {
      case .bytes(let bytes): arrived += bytes
      case .nothing: break reading
      case .end:
        news.hasEnded = true
        break reading
      }
    }
    if let frames = Frame.take(from: &arrived) { news.frames = frames } else { news.isNonsense = true }
    return news
  }

  /// Sends a frame, unless the last one is still on its way: a record that is late is of no use.
  mutating func send(_ frame: Frame) {
    flush()
    guard leaving.isEmpty else { return }
    leaving = frame.bytes[...]
    flush()
  }

  /// Sends a frame that must not be left out, after whatever is still on its way.
  mutating func append(_ frame: Frame) {
    leaving += frame.bytes
    flush()
  }

  /// Sends the last frame of all, and waits a little until it has left.
  mutating func finish(with frame: Frame) {
    append(frame)
    var tries = 100
    while !leaving.isEmpty && tries > 0 {
      Socket.wait(for: [], milliseconds: 2)
      flush()
      tries -= 1
    }
  }

  private mutating func flush() {
    while !leaving.isEmpty {
      guard let count = socket.send(leaving) else {
        leaving = []
        return
      }
      guard count > 0 else { return }
      leaving = leaving.dropFirst(count)
    }
  }
}
