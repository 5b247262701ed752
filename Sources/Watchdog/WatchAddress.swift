/// Where the watching process listens, as the ranks are told over MPI, and the secret by which it knows them.
package struct WatchAddress: Hashable {
  /// IPv4 addresses in network order, to be tried one after another.
  var hosts: [UInt32]
  var port: UInt16
  /// 16 bytes.
  var secret: [UInt8]

  private static let secretCount = 16

  package init(hosts: [UInt32], port: UInt16) {
    self.hosts = hosts
    self.port = port
    secret = randomBytes(Self.secretCount)
  }

  /// The secret as text, and back; the watching process needs no more.
  package var secretText: String { secret.map(String.init).joined(separator: ".") }

  package init?(secretText: String) {
    let values = secretText.split(separator: ".").map { UInt8($0) }
    guard values.count == Self.secretCount, !values.contains(nil) else { return nil }
    secret = values.compactMap(\.self)
    (hosts, port) = ([], 0)
  }

  package var bytes: [UInt8] {
    secret + [UInt8(truncatingIfNeeded: port), UInt8(truncatingIfNeeded: port >> 8)]
      + hosts.flatMap { host in (0..<4).map { UInt8(truncatingIfNeeded: host >> UInt32(8 * $0)) } }
  }

  /// Nil for bytes that are no address: then there is no watch.
  package init?(bytes: [UInt8]) {
    let hostStart = Self.secretCount + 2
    guard bytes.count >= hostStart, (bytes.count - hostStart) % 4 == 0 else { return nil }
    secret = Array(bytes.prefix(Self.secretCount))
    port = UInt16(bytes[Self.secretCount]) | UInt16(bytes[Self.secretCount + 1]) << 8
    hosts = stride(from: hostStart, to: bytes.count, by: 4).map { start in
      (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }
    }
  }

  /// What a rank says first.
  package func hello(of rank: Int) -> Frame {
    Frame(.hello, secret + (0..<4).map { UInt8(truncatingIfNeeded: rank >> (8 * $0)) })
  }

  /// The rank that says hello; nil for a stranger.
  package func rank(of hello: Frame, below rankCount: Int) -> Int? {
    guard hello.kind == .hello, hello.content.count == Self.secretCount + 4,
      hello.content.prefix(Self.secretCount).elementsEqual(secret)
    else { return nil }
    let rank = (0..<4).reduce(0) { $0 | Int(hello.content[Self.secretCount + $1]) << (8 * $1) }
    return rank < rankCount ? rank : nil
  }
}
