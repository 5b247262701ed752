import Communication
import Tensors
package import TestSupport
import Topology

/// Cases that go wrong on purpose, each in one way, to show that the harness says so.
package enum HarnessSelfTests {
  package static let failedExpectation = RankCase("harness: rank 1 fails", ranks: [2], isMadeToFail: true) { context in
    context.expect(context.rank != 1, "two plus two is five")
    try context.world.barrier()
  }

  package static let thrownErrors = RankCase("harness: ranks 1 and 2 throw", ranks: [3], isMadeToFail: true) {
    context in
    context.step("reading the corpus")
    if context.rank == 0 { try context.world.barrier() }
    if context.rank == 2 { sleep(for: .milliseconds(200)) }
    throw Refusal(.missingInput, "no corpus on \(context.world.rank)")
  }

  package static let endlessLoop = RankCase(
    "harness: no rank returns", ranks: [2], limit: .seconds(2), isMadeToFail: true
  ) { context in
    context.step(context.rank == 0 ? "in the endless loop" : "in the endless night")
    while true { sleep(for: .milliseconds(10)) }
  }

  package static let endlessWait = RankCase(
    "harness: ranks wait for each other", ranks: [2], limit: .seconds(2), isMadeToFail: true
  ) { context in
    let world = context.world
    world.waitLimit = .seconds(60)
    world.activity = Activity(.dispatch, step: 8, layer: 2)
    try world.receive(into: Buffer<Float>(count: 4), from: Rank(1 - context.rank), tag: Tag(1))
  }

  package static let trap = RankCase("harness: rank 1 traps", ranks: [2], isMadeToFail: true) { context in
    context.step("about to trap")
    if context.rank == 1 { fatalError("the sky is falling") }
    try context.world.barrier()
  }

  package static let wrongExitCode = RankCase("harness: rank 1 leaves early", ranks: [2], isMadeToFail: true) {
    context in
    // Rank 0 has begun by then, or the report would be of that.
    try context.world.barrier()
    context.step("about to leave")
    if context.rank == 1 { leaveProcess(3) }
    try context.world.barrier()
  }

  package static let all = [failedExpectation, thrownErrors, endlessLoop, endlessWait, trap, wrongExitCode]
}
