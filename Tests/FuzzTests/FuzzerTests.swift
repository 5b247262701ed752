import TestSupport
import Testing

/// The fuzzer itself: it must find what it is there to find, and find it again.
@Suite("The fuzzer")
struct FuzzerTests {
  private struct Refused: Error {}
  private struct Stranger: Error {}

  /// - Parameter name: of this run alone; runs of one name at one time would share a journal.
  private func run(
    _ name: String, timeLimit: Duration = .seconds(1), _ read: @escaping @Sendable ([UInt8]) throws -> Void
  ) throws -> FuzzRun.Outcome {
    let seed = Array(#"{"size": 10, "name": "x"}"#.utf8)
    let target = FuzzTarget(name, refusal: Refused.self, seeds: [seed], read: read)
    let settings = FuzzSettings(environment: ["SWITCHYARD_FUZZ_SEED": "5"], defaultCount: 3000)
    return try FuzzRun(target, settings, timeLimit: timeLimit).run()
  }

  @Test("makes the same input of the same number, and others of others") func determinism() {
    let mutator = Mutator(seeds: [Array("a: 1, b: [2, 3]".utf8)], words: [[1]])
    let inputs = (0..<500).map { mutator.input($0, seed: 3) }
    #expect(inputs == (0..<500).map { mutator.input($0, seed: 3) })
    #expect(Set(inputs).count > 300)
    #expect(Set(inputs).intersection((0..<500).map { mutator.input($0, seed: 4) }).count < 150)
  }

  @Test("counts what is read and what is refused") func counts() throws {
    let outcome = try run("counts") { if $0.count % 2 == 0 { throw Refused() } }
    #expect(outcome.faults.isEmpty && outcome.accepted > 500 && outcome.refused > 500)
    #expect(outcome.accepted + outcome.refused == 3000)
  }

  @Test("finds a number that is not refused") func numbers() throws {
    let outcome = try run("numbers") { input in
      try hold(!String(decoding: input, as: UTF8.self).contains("9223372036854775807"), "too large")
    }
    #expect(outcome.faults.first?.contains("too large") == true)
  }

  @Test("finds errors of another type") func strangers() throws {
    let outcome = try run("strangers") { if $0.contains(0xff) { throw Stranger() } }
    #expect(outcome.faults.first?.contains("Stranger") == true)
  }

  @Test("finds what takes too long") func time() throws {
    let outcome = try run("time", timeLimit: .milliseconds(2)) { input in
      guard input.count == 11 else { return }
      let clock = ContinuousClock()
      let end = clock.now + .milliseconds(20)
      while clock.now < end {}
    }
    #expect(outcome.faults.first?.contains("11 bytes") == true)
  }
}
