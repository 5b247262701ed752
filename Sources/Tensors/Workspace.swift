/// Memory for the temporaries of a step, handed out and taken back like a stack.
///
/// A forward pass takes what it saves, its backward pass gives it back in the opposite order: `mark()` before,
/// `release(to:)` after. Blocks are kept when they are released, so a steady step allocates nothing; `growthCount`
/// says how often a new block was needed. One thread owns a workspace.
package final class Workspace {
  /// A point that can be returned to.
  package struct Mark {
    fileprivate let block: Int
    fileprivate let used: Int
    fileprivate let total: Int
  }

  private var blocks: [Memory] = []
  private var block = 0
  private var used = 0
  private var total = 0

  /// How often a new block had to be allocated.
  package private(set) var growthCount = 0
  /// The most bytes that were ever in use at once: the activations of a step.
  package private(set) var peakByteCount = 0

  private static let alignment = 64
  private static let smallestBlock = 16 << 20

  package init() {}

  package func mark() -> Mark { Mark(block: block, used: used, total: total) }

  package func release(to mark: Mark) {
    precondition(mark.total <= total, "release to \(mark.total) bytes with \(total) in use")
    block = mark.block
    used = mark.used
    total = mark.total
  }

  /// Elements whose values are whatever was there before.
  package func buffer<Element>(of type: Element.Type = Element.self, count: Int) -> Buffer<Element> {
    let byteCount = count * MemoryLayout<Element>.stride
    let reserved = (byteCount + Self.alignment - 1) / Self.alignment * Self.alignment
    makeRoom(for: reserved)
    let result = Buffer<Element>(blocks[block], byteOffset: used, count: count)
    used += reserved
    total += reserved
    peakByteCount = max(peakByteCount, total)
    return result
  }

  /// A matrix whose values are whatever was there before.
  package func tensor(_ rows: Int, _ columns: Int) -> Tensor {
    Tensor(buffer(of: Float.self, count: rows * columns), shape: Shape(rows: rows, columns: columns))
  }

  /// A matrix of zeros.
  package func zeros(_ rows: Int, _ columns: Int) -> Tensor {
    let result = tensor(rows, columns)
    result.fill(0)
    return result
  }

  private func makeRoom(for byteCount: Int) {
    while block < blocks.count && used + byteCount > blocks[block].byteCount {
      block += 1
      used = 0
    }
    if block == blocks.count {
      blocks.append(Memory(byteCount: max(byteCount, Self.smallestBlock)))
      growthCount += 1
      used = 0
    }
  }
}
