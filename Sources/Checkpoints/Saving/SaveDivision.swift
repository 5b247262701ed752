import Communication
import LanguageModel
import Tensors
import Topology

/// Which rank hands each tensor to rank 0 when a checkpoint is saved: the lowest that holds it. The same on every rank.
///
/// What a rank hands over it lays out as one stream of elements, in the order in which the files are written: all weights by
/// name, then the first moments, then the second. Where a stream is cut into messages has nothing to do with tensors.
struct SaveDivision: Sendable {
  /// All tensors of the model, in name order.
  let slots: [ParameterSlot]
  /// By tensor.
  private let givers: [Rank]

  /// Tells all ranks who holds what. Every rank calls it.
  init(
    of configuration: ModelConfiguration, layout: ParameterLayout, over communicator: any Communicator
  ) throws(CommunicationError) {
    let slots = TrainingStateNames.slots(of: configuration)
    let own = Buffer<UInt8>(slots.map { layout.contains($0.name) ? 1 : 0 })
    let all = Buffer<UInt8>(count: slots.count * communicator.size)
    try communicator.allGather(own, into: all)
    self.slots = slots
    givers = slots.indices.map { slot in
      guard let holder = communicator.ranks.first(where: { all[$0.index * slots.count + slot] == 1 }) else {
        preconditionFailure("no rank holds \(slots[slot].name)")
      }
      return holder
    }
  }

  func giver(of slot: Int) -> Rank { givers[slot] }

  /// The tensors that a rank gives, in the order of its stream: each with the number of its buffer.
  func tensors(from rank: Rank) -> [(buffer: Int, slot: Int)] {
    let own = slots.indices.filter { givers[$0] == rank }
    return TrainingStateNames.prefixes.indices.flatMap { buffer in own.map { (buffer, $0) } }
  }

  /// The elements of a rank's stream.
  func elementCount(from rank: Rank) -> Int {
    let elements = slots.indices.reduce(0) { $0 + (givers[$1] == rank ? slots[$1].shape.elementCount : 0) }
    return elements * TrainingStateNames.prefixes.count
  }
}
