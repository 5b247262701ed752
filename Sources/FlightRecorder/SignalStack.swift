import Glibc

/// Memory for the signal handlers of a thread, so that they do not run on what its stack pointer shows.
///
/// Some of oneDNN's matmul kernels (its own code for AVX-512, seen in 2.6.3) use the stack pointer as one more register for
/// addresses of data. A handler that the kernel starts there writes its frame, some kilobytes, over what lies below: blocks
/// of the heap. So every handler of a thread that computes is installed with `SA_ONSTACK`, and this thread has a stack
/// for it; threads that have none block the signals.
enum SignalStack {
  /// A frame with the registers of AVX-512 and AMX has 11 KB.
  private static let byteCount = 64 << 10

  /// Gives the calling thread such a stack, for the rest of its life, if it has none.
  static func provide() {
    var present = stack_t()
    guard sigaltstack(nil, &present) == 0, present.ss_sp == nil else { return }
    let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let memory, memory != MAP_FAILED else { preconditionFailure("no memory for a signal stack") }
    var stack = stack_t(ss_sp: memory, ss_flags: 0, ss_size: byteCount)
    sigaltstack(&stack, nil)
  }
}
