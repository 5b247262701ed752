package import Tensors
package import Topology

extension Communicator {
  /// Copies the root's elements to every rank. All ranks give the same count.
  ///
  /// A binomial tree: counted from the root, rank `r` receives from `r` without its lowest set bit, then sends to
  /// `r + 2ᵏ` for the smaller `k`, largest first.
  package func broadcast<Element>(_ elements: Buffer<Element>, from root: Rank) throws(CommunicationError) {
    checkPeer(root)
    let place = (rank.index + size - root.index) % size
    let tag = Tag.collective(.broadcast)
    var reach = 1
    while reach < size && place & reach == 0 { reach *= 2 }
    if place != 0 {
      let parent = Rank((place - reach + root.index) % size)
      let request = try startReceive(into: elements, from: parent, tag: tag)
      try wait(for: [request], what: "a broadcast from \(worldRanks[root.index])")
      try request.requireFull()
    }
    var requests: [Request] = []
    while reach > 1 {
      reach /= 2
      guard place + reach < size else { continue }
      requests.append(try startSend(elements, to: Rank((place + reach + root.index) % size), tag: tag))
    }
    try wait(for: requests, what: "a broadcast from \(worldRanks[root.index])")
  }

  /// Copies the root's bytes to every rank; only the root knows how many there are.
  ///
  /// - Parameter bytes: what the root sends; the other ranks' are not looked at.
  package func broadcastBytes(_ bytes: [UInt8], from root: Rank) throws(CommunicationError) -> [UInt8] {
    let announced = collectives.staging(.value, of: Int64.self, count: 1)
    announced[0] = Int64(bytes.count)
    try broadcast(announced, from: root)
    let count = try checkedSize(announced[0], from: root)
    let content = rank == root ? Buffer(bytes) : Buffer<UInt8>(count: count)
    try broadcast(content, from: root)
    return rank == root ? bytes : content.elements
  }

  /// A size that another rank announced.
  func checkedSize(_ announced: Int64, from peer: Rank) throws(CommunicationError) -> Int {
    guard let count = Int(exactly: announced), count >= 0, count < 1 << 46 else {
      throw job.fail(.unexpectedMessage, "\(worldRanks[peer.index]) announced a message of \(announced) bytes")
    }
    return count
  }
}
