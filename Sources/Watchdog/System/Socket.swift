import Glibc

/// A TCP socket that never blocks; what goes wrong with it is its end. The file holds the system calls that have no safe
/// form.
package struct Socket: Sendable {
  package let descriptor: Int32

  /// A socket that listens on all interfaces, at a port that the system chooses; nil where it refuses.
  static func listen() -> (socket: Socket, port: UInt16)? { try? listen(at: 0, port: 0) }

  /// A socket that listens on the loopback interface alone.
  ///
  /// - Parameter port: 0 lets the system choose.
  package static func listenOnLoopback(port: UInt16) throws(SocketError) -> (socket: Socket, port: UInt16) {
    try listen(at: UInt32(0x7f00_0001).bigEndian, port: port)
  }

  private static func listen(at host: UInt32, port: UInt16) throws(SocketError) -> (socket: Socket, port: UInt16) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | nonBlocking, 0)
    guard descriptor >= 0 else { throw SocketError(code: errno) }
    var yes: Int32 = 1
    // Connections of a process that is gone do not keep its port from the next one.
    unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = host
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Bool in
        unsafe bind(descriptor, address, length) == 0 && Glibc.listen(descriptor, 1024) == 0
          && getsockname(descriptor, address, &length) == 0
      }
    }
    guard isListening else {
      let error = SocketError(code: errno)
      Glibc.close(descriptor)
      throw error
    }
    return (Socket(descriptor: descriptor), UInt16(bigEndian: address.sin_port))
  }

  /// The next process that knocks.
  package func accept() -> Socket? {
    let descriptor = Glibc.accept(descriptor, nil, nil)
    guard descriptor >= 0 else { return nil }
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    return Socket(descriptor: descriptor).immediate()
  }

  /// Connects to an IPv4 address, which may take as long as this; nil where nobody answers.
  package static func connect(to host: UInt32, port: UInt16, milliseconds: Int32) -> Socket? {
    let socket = Socket(descriptor: Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | nonBlocking, 0))
    guard socket.descriptor >= 0 else { return nil }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = host
    let status = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(socket.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if status == 0 || (errno == EINPROGRESS && socket.isConnected(within: milliseconds)) { return socket.immediate() }
    socket.close()
    return nil
  }

  private func isConnected(within milliseconds: Int32) -> Bool {
    var query = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    guard unsafe poll(&query, 1, milliseconds) == 1 else { return false }
    var status: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &status, &length) == 0 && status == 0
  }

  /// Small messages leave at once.
  private func immediate() -> Socket {
    var yes: Int32 = 1
    unsafe setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
    return self
  }

  package enum Received: Hashable { case bytes([UInt8]), nothing, end }

  package func receive() -> Received {
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
    if count > 0 { return .bytes(Array(bytes.prefix(count))) }
    return count < 0 && (errno == EAGAIN || errno == EINTR) ? .nothing : .end
  }

  /// Sends as much as there is room for, and says how much; nil when the connection is gone.
  package func send(_ bytes: ArraySlice<UInt8>) -> Int? {
    let count = unsafe bytes.withUnsafeBytes {
      unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    if count >= 0 { return count }
    return errno == EAGAIN || errno == EINTR ? 0 : nil
  }

  package func close() { Glibc.close(descriptor) }

  /// Nothing more will be sent: the other end sees it after what is still on its way.
  package func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Waits until one of the sockets has something to say, or one of the others has room again, but no longer than this.
  package static func wait(for sockets: [Socket], roomOf others: [Socket] = [], milliseconds: Int32) {
    var queries =
      sockets.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
      + others.map { pollfd(fd: $0.descriptor, events: Int16(POLLOUT), revents: 0) }
    _ = unsafe poll(&queries, nfds_t(queries.count), milliseconds)
  }

  private static let nonBlocking = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

  /// The IPv4 addresses of this machine's interfaces that are up, in network order, the loopback's last.
  static func ownAddresses() -> [UInt32] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard unsafe getifaddrs(&list) == 0 else { return [] }
    defer { unsafe freeifaddrs(list) }
    var (others, loopback): ([UInt32], [UInt32]) = ([], [])
    var next = unsafe list
    while let entry = unsafe next {
      unsafe next = entry.pointee.ifa_next
      let flags = unsafe entry.pointee.ifa_flags
      guard flags & UInt32(IFF_UP) != 0, let address = unsafe entry.pointee.ifa_addr,
        unsafe address.pointee.sa_family == sa_family_t(AF_INET)
      else { continue }
      let host = unsafe address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        unsafe $0.pointee.sin_addr.s_addr
      }
      if flags & UInt32(IFF_LOOPBACK) != 0 { loopback.append(host) } else { others.append(host) }
    }
    return others + loopback
  }
}

/// Why the system refused a socket.
package struct SocketError: Error, Hashable, Sendable, CustomStringConvertible {
  private let code: Int32

  init(code: Int32) { self.code = code }

  /// Another process listens there.
  package var isTaken: Bool { code == EADDRINUSE }
  package var isForbidden: Bool { code == EACCES || code == EPERM }
  package var description: String { unsafe String(cString: strerror(code)) }
}
