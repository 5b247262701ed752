import Checkpoints
import Communication
import Testing

@Suite("A found model, described by rank 0")
struct FoundModelTests {
  @Test("is refused in fewer or more parts than it has", arguments: [0, 1, 3, 5]) func partCount(count: Int) {
    let parts = Array(repeating: Array("{}".utf8), count: count)
    #expect(throws: Refusal.self) { try FoundModel(parts: parts) }
  }
}
