import Communication
import Testing
import Topology

@Suite("Refusals")
struct RefusalTests {
  private struct Unknown: Error {}

  @Test("exit codes are those of sysexits, and three more")
  func exitCodes() {
    #expect(Refusal.Kind.allCases.allSatisfy { (64...81).contains($0.rawValue) })
  }

  @Test("an error of no known kind is ours")
  func unknownError() {
    #expect(Refusal(Unknown()).kind == .internalError)
    #expect(Refusal(Refusal(.usage, "x")) == Refusal(.usage, "x"))
  }

  @Test("a rank whose job has failed does not ask the others")
  func agreeAfterFailure() throws {
    let results = LoopbackFabric(ranks: 2).run(waitLimit: .milliseconds(100)) { world in
      guard world.rank == Rank(0) else { return }
      try world.agree { try world.barrier() }
    }
    let refusal = try #require(throws: Refusal.self) { try results[0].get() }
    #expect(refusal.kind == .peerLost)
    #expect(refusal.message.contains("in a barrier of 2 ranks; missing: rank 1"), "\(refusal)")
  }
}
