import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// A block of aligned memory, freed when its last view goes away.
///
/// Blocks of a huge page or more are mapped from the kernel, which zeroes them, and ask for huge pages; smaller ones
/// come from the heap, aligned to a cache line and zeroed here.
@usableFromInline package final class Memory: @unchecked Sendable {
  @usableFromInline package let base: UnsafeMutableRawPointer
  @usableFromInline package let byteCount: Int
  private let isMapped: Bool

  /// How many blocks this process has allocated: an instrument for tests, nothing decides from it.
  package static var allocationCount: Int { allocations.load(ordering: .relaxed) }
  private static let allocations = Atomic<Int>(0)

  private static let hugePage = 2 << 20
  private static let cacheLine = 64

  package init(byteCount: Int) {
    precondition(byteCount >= 0, "a block of \(byteCount) bytes")
    self.byteCount = byteCount
    isMapped = byteCount >= Self.hugePage
    if isMapped {
      base = Self.map(byteCount)
    } else {
      var pointer: UnsafeMutableRawPointer?
      let status = posix_memalign(&pointer, Self.cacheLine, max(byteCount, Self.cacheLine))
      guard status == 0, let pointer else { fatalError("out of memory: \(byteCount) bytes") }
      memset(pointer, 0, byteCount)
      base = pointer
    }
    Self.allocations.add(1, ordering: .relaxed)
  }

  deinit {
    if isMapped { munmap(base, byteCount) } else { free(base) }
  }

  private static func map(_ byteCount: Int) -> UnsafeMutableRawPointer {
    let region = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let region, region != MAP_FAILED else { fatalError("out of memory: \(byteCount) bytes") }
    madvise(region, byteCount, MADV_HUGEPAGE)
    return region
  }
}
