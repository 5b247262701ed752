import Tensors

/// What the collectives of one communicator keep between calls: memory, and the number of the next sum.
///
/// The memory only grows, so that collectives of a steady step allocate no blocks.
package final class CollectiveState {
  /// Uses of the memory that may overlap in time.
  enum Slot: Int, CaseIterable { case sums, value, values, empty }

  private var blocks = [Memory?](repeating: nil, count: Slot.allCases.count)
  private var nextSumNumber = 0

  init() {}

  /// Elements whose values are whatever was there before, valid until the slot is asked for again.
  func staging<Element>(_ slot: Slot, of type: Element.Type = Element.self, count: Int) -> Buffer<Element> {
    let byteCount = count * MemoryLayout<Element>.stride
    if let block = blocks[slot.rawValue], block.byteCount >= byteCount {
      return Buffer(block, byteOffset: 0, count: count)
    }
    let block = Memory(byteCount: max(byteCount, 64))
    blocks[slot.rawValue] = block
    return Buffer(block, byteOffset: 0, count: count)
  }

  /// Every rank of a group starts its sums in the same order, so the numbers agree without a message.
  func takeSumNumber() -> Int {
    defer { nextSumNumber += 1 }
    return nextSumNumber
  }
}
