import Tensors
import Topology

extension Communicator {
  /// Returns when every rank of the group has called it.
  ///
  /// Dissemination (Hensgen, Finkel, Manber 1988): in round `k` a rank tells the rank 2ᵏ places on and hears from the
  /// one 2ᵏ places back; after ⌈log₂ size⌉ rounds it has heard, through others, of everyone.
  package func barrier() throws(CommunicationError) {
    let nothing = collectives.staging(.empty, of: UInt8.self, count: 0)
    var distance = 1
    var round = 0
    while distance < size {
      let tag = Tag.collective(.barrier, round: round)
      let next = Rank((rank.index + distance) % size)
      let previous = Rank((rank.index + size - distance) % size)
      try wait(
        for: [startReceive(into: nothing, from: previous, tag: tag), startSend(nothing, to: next, tag: tag)],
        what: "a barrier of \(size) ranks")
      distance *= 2
      round += 1
    }
  }
}
