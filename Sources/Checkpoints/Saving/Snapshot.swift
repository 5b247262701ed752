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
    let piece = SafetensorsFile.staging(forByteCount: values.byteCount)
    forEach { _, _, values in digests.append(Self.digest(of: values, by: piece)) }
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

  /// - Parameter piece: memory in whole stripes, through which the values pass.
  private static func digest(of values: Buffer<Float>, by piece: Buffer<UInt64>) -> UInt64 {
    var digest = Digest()
    let room = piece.reinterpreted(as: Float.self)
    for first in stride(from: 0, to: values.count, by: max(room.count, 1)) {
      let part = values[first..<min(first + room.count, values.count)]
      room[0..<part.count].copy(from: part)
      digest.update(piece, byteCount: part.byteCount)
    }
    return digest.value
  }
}
