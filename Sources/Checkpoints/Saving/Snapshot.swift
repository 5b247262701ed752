import Tensors
import Topology

/// A copy of what a rank gives to a checkpoint, so that training can go on while it is written.
///
/// The memory is taken once and used for every save: 12 bytes for each parameter that the rank gives.
struct Snapshot: Sendable {
  /// The rank's stream of elements. See ``SaveDivision``.
  let values: Buffer<Float>
  private let tensors: [(buffer: Int, slot: Int)]
  private let slots: [ParameterSlot]

  init(_ division: SaveDivision, of rank: Rank) {
    values = Buffer(count: division.elementCount(from: rank))
    tensors = division.tensors(from: rank)
    slots = division.slots
  }

  /// Whether the rank gives nothing.
  var isEmpty: Bool { tensors.isEmpty }

  /// Copies the tensors as they are now.
  func take(_ buffers: [ParameterBuffer]) {
    forEach { buffer, slot, copy in copy.copy(from: buffers[buffer][slots[slot].name].buffer) }
  }

  /// The tensors' digests, in the order of the stream.
  func digests() -> [UInt64] {
    var digests: [UInt64] = []
    forEach { _, _, values in digests.append(Digest(of: values).value) }
    return digests
  }

  private func forEach(_ body: (_ buffer: Int, _ slot: Int, _ values: Buffer<Float>) -> Void) {
    var offset = 0
    for (buffer, slot) in tensors {
      let count = slots[slot].shape.elementCount
      body(buffer, slot, values[offset..<offset + count])
      offset += count
    }
  }
}
