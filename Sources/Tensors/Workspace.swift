/// Memory for the temporaries of a step, handed out and taken back like a stack.
///
/// A forward pass takes what it saves, its backward pass gives it back in the opposite order: `mark()` before,
/// `release(to:)` after. Everything lies in one stretch of addresses, so no release leaves a gap, and what the operating
/// system has to find is `peakByteCount`, however sizes change from step to step. Memory is kept when it is released, so
/// a steady step allocates nothing; `growthCount` says how often more was needed. One thread owns a workspace.
package final class Workspace {
  /// A point that can be returned to.
  package struct Mark {
    fileprivate let used: Int
  }

  private let memory = Memory(reserving: ())
  private var used = 0
  /// The bytes at the front that are backed by memory.
  private var committed = 0

  /// How often more memory had to be asked for.
  package private(set) var growthCount = 0
  /// The most bytes that were ever in use at once: the activations of a step.
  package private(set) var peakByteCount = 0

  private static let alignment = 64
  /// Memory is asked for in multiples of this; what is never touched costs nothing.
  private static let growth = 16 << 20

  package init() {}

  package func mark() -> Mark { Mark(used: used) }

  package func release(to mark: Mark) {
    precondition(mark.used <= used, "release to \(mark.used) bytes with \(used) in use")
    used = mark.used
  }

  /// Elements whose values are whatever was there before.
  package func buffer<Element>(of type: Element.Type = Element.self, count: Int) -> Buffer<Element> {
    let start = used
    let byteCount = count * MemoryLayout<Element>.stride
    used += (byteCount + Self.alignment - 1) / Self.alignment * Self.alignment
    if used > committed { grow() }
    peakByteCount = max(peakByteCount, used)
    return Buffer<Element>(memory, byteOffset: start, count: count)
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

  private func grow() {
    let needed = (used + Self.growth - 1) / Self.growth * Self.growth
    memory.commit(committed..<needed)
    committed = needed
    growthCount += 1
  }
}
