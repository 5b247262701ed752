import Tensors
import Topology

/// A sum over ranks in flight: every rank ends with the same total of all ranks' elements.
///
/// Each rank owns one slice of the elements (`BlockPartition`). All send their part of a slice to its owner, the owner
/// adds the parts in rank order, `((v₀ + v₁) + v₂) + …`, and sends the total to all. So the bits depend on the ranks'
/// values alone, never on which message came first, and each rank sends and receives 2·n·(size − 1)/size elements.
///
/// It moves only when somebody calls `advance()` or `finish()`. Several may be in flight; all ranks of the group start
/// theirs in the same order. Until it is done, neither the values nor the scratch may be touched.
package final class PendingSum<Element: Summable> {
  private enum Stage { case collecting, distributing, done }

  private let communicator: any Communicator
  private let tag: Tag
  private let values: Buffer<Element>
  private let slices: BlockPartition
  /// Every rank's part of this rank's slice, by rank: room in the scratch, and this rank's own in the values.
  private let parts: [Buffer<Element>]
  private var stage = Stage.collecting
  private var requests: [Request] = []
  /// How many of the parts have been added up.
  private var addedCount = 1

  /// How many elements of scratch a sum of `count` elements over `size` ranks needs on any rank.
  package static func scratchCount(for count: Int, size: Int) -> Int {
    (size - 1) * ((count + size - 1) / size)
  }

  init(_ values: Buffer<Element>, scratch: Buffer<Element>, over communicator: any Communicator)
    throws(CommunicationError)
  {
    let needed = Self.scratchCount(for: values.count, size: communicator.size)
    precondition(scratch.count >= needed, "\(scratch.count) elements of scratch where \(needed) are needed")
    self.communicator = communicator
    self.values = values
    tag = .sum(number: communicator.collectives.takeSumNumber())
    slices = BlockPartition(count: values.count, parts: communicator.size)
    parts = Self.parts(of: values, scratch: scratch, slices: slices, owner: communicator.rank)
    try startCollecting()
  }

  /// Whether every rank's total has arrived here.
  package var isDone: Bool { stage == .done }

  /// Moves as far as it can without waiting.
  package func advance() throws(CommunicationError) {
    guard stage != .done else { return }
    try communicator.poke(requests)
    if stage == .collecting {
      addArrivedParts()
      guard requests.allSatisfy(\.isDone) else { return }
      try requireFull()
      try startDistributing()
    }
    guard requests.allSatisfy(\.isDone) else { return }
    try requireFull()
    stage = .done
    requests = []
  }

  /// Waits until the totals are there.
  package func finish() throws(CommunicationError) {
    try communicator.wait(
      in: "a sum of \(values.count) elements over \(communicator.size) ranks",
      missing: requests.lazy.filter { !$0.isDone }.map(\.worldPeer)
    ) { () throws(CommunicationError) in
      try advance()
      return isDone
    }
  }

  private static func parts(
    of values: Buffer<Element>, scratch: Buffer<Element>, slices: BlockPartition, owner: Rank
  ) -> [Buffer<Element>] {
    let slice = slices.range(of: owner.index)
    return (0..<slices.parts).map { rank in
      if rank == owner.index { return values[slice] }
      let place = rank < owner.index ? rank : rank - 1
      return scratch[place * slice.count..<(place + 1) * slice.count]
    }
  }

  /// Sends the slices to their owners. The receives come first in `requests`, by rank.
  private func startCollecting() throws(CommunicationError) {
    for peer in communicator.peers {
      requests.append(try communicator.startReceive(into: parts[peer.index], from: peer, tag: tag))
    }
    for peer in communicator.peersFromNext {
      requests.append(try communicator.startSend(values[slices.range(of: peer.index)], to: peer, tag: tag))
    }
  }

  /// Adds parts to rank 0's, in rank order, as far as they have arrived.
  private func addArrivedParts() {
    while addedCount < parts.count && hasArrived(0) && hasArrived(addedCount) {
      Element.add(parts[addedCount].pointer, to: parts[0].pointer, count: parts[0].count)
      addedCount += 1
    }
  }

  private func hasArrived(_ rank: Int) -> Bool {
    let own = communicator.rank.index
    return rank == own || requests[rank < own ? rank : rank - 1].isDone
  }

  /// Sends the total of this rank's slice to all. The slices of others are overwritten only here, when the sends of
  /// their parts are done.
  private func startDistributing() throws(CommunicationError) {
    stage = .distributing
    let own = communicator.rank
    if own.index != 0 { parts[own.index].copy(from: parts[0]) }
    requests.removeAll(keepingCapacity: true)
    for peer in communicator.peers {
      requests.append(
        try communicator.startReceive(into: values[slices.range(of: peer.index)], from: peer, tag: tag))
    }
    for peer in communicator.peersFromNext {
      requests.append(try communicator.startSend(parts[own.index], to: peer, tag: tag))
    }
  }

  private func requireFull() throws(CommunicationError) {
    for request in requests { try request.requireFull() }
  }
}
