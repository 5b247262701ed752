import RankCases
import TestSupport
import Testing

@Suite("Harness for several ranks", .serialized)
struct HarnessTests {
  private func expectReport(
    of rankCase: RankCase, ranks: Int = 2, contains parts: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let report = runOnRanks(rankCase, ranks: ranks)
    #expect(!report.isClean, sourceLocation: sourceLocation)
    let text = report.description
    for part in [rankCase.name] + parts {
      #expect(text.contains(part), "the report lacks '\(part)':\n\(text)", sourceLocation: sourceLocation)
    }
  }

  @Test("a failed expectation is reported with case, rank, file, line and message")
  func failedExpectation() {
    expectReport(
      of: HarnessSelfTests.failedExpectation,
      contains: ["rank 1: RankCases/HarnessSelfTestCases.swift:9: two plus two is five", "rank 0: finished"])
  }

  @Test("errors of several ranks are all reported, though the first of them ends the job")
  func thrownErrors() {
    expectReport(
      of: HarnessSelfTests.thrownErrors, ranks: 3,
      contains: [
        "rank 1: stopped with an error (stood at reading the corpus): no corpus on rank 1", "no corpus on rank 2",
      ])
  }

  @Test("a case that hangs is killed at its limit, and the report says where each rank stood")
  func endlessLoop() {
    let clock = ContinuousClock()
    let began = clock.now
    expectReport(
      of: HarnessSelfTests.endlessLoop,
      contains: [
        "did not end within 2.0 seconds and was killed", "rank 0: did not end; stood at in the endless loop",
        "rank 1: did not end; stood at in the endless night",
      ])
    #expect(clock.now - began < .seconds(20))
  }

  @Test("a case that hangs in a wait says for what, and in which phase, step and layer")
  func endlessWait() {
    expectReport(
      of: HarnessSelfTests.endlessWait,
      contains: [
        "rank 0: did not end; stood at its beginning, in dispatch, step 8, layer 2, waiting in receiving from rank 1",
        "waiting in receiving from rank 0",
      ])
  }

  @Test("a rank that traps is reported with its signal, its place and its last words")
  func trap() {
    expectReport(
      of: HarnessSelfTests.trap,
      contains: ["rank 1: died from signal", "(stood at about to trap)", "Fatal error: the sky is falling"])
  }

  // Hydra gives the code of the rank that left, or that of those it then killed: whichever it sees first.
  @Test("a rank that leaves without a word is reported with the job's exit code and where it stood")
  func wrongExitCode() {
    expectReport(
      of: HarnessSelfTests.wrongExitCode,
      contains: ["failed; mpirun ended with exit code ", "rank 1: did not end; stood at about to leave"])
  }
}
