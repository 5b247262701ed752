import Synchronization

#if canImport(Glibc)
  import Glibc
#endif

/// A block of aligned memory, freed when its last view goes away.
///
/// Blocks of a huge page or more are mapped from the kernel, which zeroes them, and ask for huge pages; smaller ones
/// come from the heap, aligned to a cache line or as asked, and zeroed here. A reserved block is addresses only, of which a growing
/// front part is backed by memory.
@usableFromInline package final class Memory: @unchecked Sendable {
  @usableFromInline package let base: UnsafeMutableRawPointer
  @usableFromInline package let byteCount: Int
  private let isMapped: Bool

  /// How many blocks this process has allocated: an instrument for tests, nothing decides from it.
  package static var allocationCount: Int { allocations.load(ordering: .relaxed) }
  private static let allocations = Atomic<Int>(0)

  private static let hugePage = 2 << 20
  package static let cacheLine = 64
  /// Of the kernel, in bytes.
  package static let pageSize = sysconf(Int32(_SC_PAGESIZE))

  /// - Parameter alignment: bytes, a power of two of at most a page.
  package init(byteCount: Int, alignment: Int = cacheLine) {
    precondition(byteCount >= 0, "a block of \(byteCount) bytes")
    self.byteCount = byteCount
    isMapped = byteCount >= Self.hugePage
    if isMapped {
      base = Self.map(byteCount)
    } else {
      var pointer: UnsafeMutableRawPointer?
      let status = posix_memalign(&pointer, alignment, max(byteCount, alignment))
      guard status == 0, let pointer else { fatalError("out of memory: \(byteCount) bytes") }
      memset(pointer, 0, byteCount)
      base = pointer
    }
    Self.allocations.add(1, ordering: .relaxed)
  }

  /// A block of addresses without memory behind them: as many as the machine has memory, or, where the process may not
  /// have so many addresses, fewer. See `commit(_:)`.
  package init(reserving: Void) {
    var byteCount = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)) / Self.hugePage * Self.hugePage
    var region = MAP_FAILED
    while byteCount >= Self.hugePage && region == MAP_FAILED {
      region = mmap(nil, byteCount, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
      if region == MAP_FAILED { byteCount /= 2 }
    }
    guard let region, region != MAP_FAILED else { fatalError("out of memory: no addresses left") }
    self.byteCount = byteCount
    isMapped = true
    base = region
  }

  /// Backs some more bytes of a reserved block with memory; they are zero.
  package func commit(_ range: Range<Int>) {
    guard range.upperBound <= byteCount, mprotect(base + range.lowerBound, range.count, PROT_READ | PROT_WRITE) == 0
    else { fatalError("out of memory: \(range.upperBound) bytes of temporaries") }
    madvise(base + range.lowerBound, range.count, MADV_HUGEPAGE)
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
