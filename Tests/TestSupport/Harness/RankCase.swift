/// A test whose body runs on several ranks at once.
///
/// **To write one**, add a value to a list in `Tests/RankCases` (a file per module, joined in `Registry.swift`):
///
/// ```swift
/// package let exchangeCases: [RankCase] = [
///   RankCase("exchange: rows come back in order") { context in
///     let world = context.world                       // any Communicator
///     context.step("sending")                         // where the rank stands, if it never returns
///     let received = try exchange(over: world)
///     context.expect(received.count == world.size, "\(received.count) rows")
///     context.expectEqual(try world.sum(Int64(1)), Int64(world.size))
///   }
/// ]
/// ```
///
/// That is all: `swift test` runs every case of the registry under `mpirun` on 1, 2, 3 and 4 ranks (`RankCaseTests`), or
/// on those named in `ranks:`. A failed expectation is recorded and the body goes on; an error that it throws ends
/// the rank. The report names case, rank, file and line, and for a rank that hangs or dies, where it stood.
///
/// **One case by hand**: `swift test --filter RankCaseTests`, or, to see its output as it comes,
/// `mpirun.mpich -np 2 .build/release/rank-cases "exchange: rows come back in order"`.
///
/// **In one process**: `runOnThreads(someCase, ranks: 3)` runs the same body over the loopback transport, in any test
/// target; `runOnRanks(someCase, ranks: 3)` starts `mpirun`. Both return a `CaseReport`:
///
/// ```swift
/// let report = runOnThreads(someCase, ranks: 3)
/// #expect(report.isClean, "\(report)")
/// ```
package struct RankCase: Sendable {
  package typealias Body = @Sendable (RankContext) throws -> Void

  /// The module, a colon, and a sentence; unique in the registry.
  package let name: String
  /// How many ranks it runs on, one run each.
  package let rankCounts: [Int]
  /// How long a run may take before it is killed. A rank's waits give up after a third of it, so that they can say why.
  package let limit: Duration
  /// What the ranks give to `MPIEnvironment.end(exitCode:)` when the body has returned, and `mpirun` is expected to pass on.
  package let exitCode: Int32
  /// Made to fail, so that the harness can be tested; not part of the suite.
  package let isMadeToFail: Bool
  let body: Body

  package init(
    _ name: String, ranks rankCounts: [Int] = [1, 2, 3, 4], limit: Duration = .seconds(60), exitCode: Int32 = 0,
    isMadeToFail: Bool = false, _ body: @escaping Body
  ) {
    self.name = name
    self.rankCounts = rankCounts
    self.limit = limit
    self.exitCode = exitCode
    self.isMadeToFail = isMadeToFail
    self.body = body
  }
}
