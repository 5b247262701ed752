package import Tensors
package import Topology

extension Communicator {
  /// Collects equally many elements of every rank, in rank order, on every rank.
  ///
  /// - Parameters:
  ///   - own: [n], this rank's.
  ///   - all: [size · n]; `own` may be its part for this rank.
  package func allGather<Element>(_ own: Buffer<Element>, into all: Buffer<Element>) throws(CommunicationError) {
    precondition(all.count == own.count * size, "\(all.count) elements for \(size) times \(own.count)")
    let parts = ranks.map { all[$0.index * own.count..<($0.index + 1) * own.count] }
    try exchange(own, with: parts, tag: .collective(.allGather), what: "an all-gather")
    parts[rank.index].copy(from: own)
  }

  /// Collects one value of every rank, in rank order, on every rank.
  package func allGather<Value: BitwiseCopyable & Sendable>(_ value: Value) throws(CommunicationError) -> [Value] {
    let own = collectives.staging(.value, of: Value.self, count: 1)
    let all = collectives.staging(.values, of: Value.self, count: size)
    own[0] = value
    try allGather(own, into: all)
    return all.elements
  }

  /// Collects any number of bytes of every rank, in rank order, on every rank.
  package func allGatherBytes(_ bytes: [UInt8]) throws(CommunicationError) -> [[UInt8]] {
    let sizes = try exchangeSizes(bytes.count)
    let parts = ranks.map { $0 == rank ? Buffer(bytes) : Buffer<UInt8>(count: sizes[$0.index]) }
    try exchange(parts[rank.index], with: parts, tag: .collective(.allGather), what: "an all-gather")
    return parts.map(\.elements)
  }

  /// Collects equally many elements of every rank, in rank order, on one rank.
  ///
  /// - Parameter all: [size · n]; only the root's is looked at.
  package func gather<Element>(
    _ own: Buffer<Element>, into all: Buffer<Element>?, at root: Rank
  ) throws(CommunicationError) {
    checkPeer(root)
    let tag = Tag.collective(.gather)
    guard rank == root else {
      let request = try startSend(own, to: root, tag: tag)
      return try wait(for: [request], what: "a gather at \(worldRanks[root.index])")
    }
    guard let all, all.count == own.count * size else {
      preconditionFailure("\(all?.count ?? 0) elements for \(size) times \(own.count)")
    }
    let parts = ranks.map { all[$0.index * own.count..<($0.index + 1) * own.count] }
    try receive(parts, tag: tag)
    parts[rank.index].copy(from: own)
  }

  /// Collects any number of bytes of every rank, in rank order, on one rank; the others get nil.
  package func gatherBytes(_ bytes: [UInt8], at root: Rank) throws(CommunicationError) -> [[UInt8]]? {
    let own = collectives.staging(.value, of: Int64.self, count: 1)
    let all = rank == root ? collectives.staging(.values, of: Int64.self, count: size) : nil
    own[0] = Int64(bytes.count)
    try gather(own, into: all, at: root)
    guard let all else {
      let request = try startSend(Buffer(bytes), to: root, tag: .collective(.gatherBytes))
      try wait(for: [request], what: "a gather at \(worldRanks[root.index])")
      return nil
    }
    var parts: [Buffer<UInt8>] = []
    for peer in ranks { parts.append(Buffer(count: try checkedSize(all[peer.index], from: peer))) }
    try receive(parts, tag: .collective(.gatherBytes))
    parts[rank.index].copy(from: bytes)
    return parts.map(\.elements)
  }

  private func exchangeSizes(_ own: Int) throws(CommunicationError) -> [Int] {
    let announced = try allGather(Int64(own))
    var sizes: [Int] = []
    for peer in ranks { sizes.append(try checkedSize(announced[peer.index], from: peer)) }
    return sizes
  }

  /// Sends `own` to every peer and receives every peer's into its part; empty parts do not travel.
  private func exchange<Element>(
    _ own: Buffer<Element>, with parts: [Buffer<Element>], tag: Tag, what: String
  ) throws(CommunicationError) {
    var requests: [Request] = []
    for peer in peers where parts[peer.index].count > 0 {
      requests.append(try startReceive(into: parts[peer.index], from: peer, tag: tag))
    }
    for peer in peersFromNext where own.count > 0 {
      requests.append(try startSend(own, to: peer, tag: tag))
    }
    try wait(for: requests, what: what)
    for request in requests { try request.requireFull() }
  }

  /// Receives every peer's part.
  private func receive<Element>(_ parts: [Buffer<Element>], tag: Tag) throws(CommunicationError) {
    var requests: [Request] = []
    for peer in peers { requests.append(try startReceive(into: parts[peer.index], from: peer, tag: tag)) }
    try wait(for: requests, what: "a gather at \(worldRank)")
    for request in requests { try request.requireFull() }
  }

  /// The peers in the order next, next but one, …, so that not all ranks begin with the same one.
  var peersFromNext: [Rank] { (1..<max(size, 1)).map { Rank((rank.index + $0) % size) } }
}
