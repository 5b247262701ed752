import Checkpoints
import Glibc
import Tensors
import Testing

@Suite("The speed of verification", .serialized)
struct VerificationSpeedTests {
  #if DEBUG
    private static let isOptimized = false
  #else
    private static let isOptimized = true
  #endif

  /// Issue limit: 2 GB/s a core. The thread's own time counts, so that a busy machine does not matter.
  @Test("is at least 2 GB/s a core", .enabled(if: isOptimized, "a debug build says nothing about speed"))
  func speed() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("model.safetensors")
    let count = 64 << 20
    let writer = try SafetensorsWriter(creating: path, tensors: [TensorDescription("weights", shape: [count])])
    try writer.append(Buffer<Float>(count: count))
    let size = try writer.finish().size
    let file = try SafetensorsFile(path)
    let seconds =
      try (0..<5).map { _ in
        let start = threadSeconds()
        try file.verify()
        return threadSeconds() - start
      }.min() ?? .infinity
    let rate = Double(size) / seconds / 1e9
    #expect(rate >= 2, "\(rate) GB/s")
  }

  private func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
