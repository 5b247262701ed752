import Communication
import Tensors
package import TestSupport
import Topology

/// Cases that go wrong on purpose, each in one way, to show that the harness says so.
package let harnessSelfTestCases: [RankCase] = [
  RankCase("harness: rank 1 fails an expectation", ranks: [2], isMadeToFail: true) { context in
    context.expect(context.rank != 1, "two plus two is five")
    try context.world.barrier()
  },

  RankCase("harness: rank 1 throws while others wait for it", ranks: [3], isMadeToFail: true) { context in
    context.step("reading the corpus")
    if context.rank == 1 { throw Refusal(.missingInput, "no corpus") }
    try context.world.barrier()
  },

  RankCase("harness: rank 0 never returns", ranks: [2], limit: .seconds(3), isMadeToFail: true) { context in
    context.step("before the loop")
    if context.rank == 1 { return }
    context.step("in the endless loop")
    while true { sleep(for: .milliseconds(10)) }
  },

  RankCase("harness: ranks wait for messages nobody sends", ranks: [2], limit: .seconds(3), isMadeToFail: true) {
    context in
    let world = context.world
    world.waitLimit = .seconds(60)
    world.activity = Activity(.dispatch, step: 8, layer: 2)
    let peer = Rank(1 - context.rank)
    try world.receive(into: Buffer<Float>(count: 4), from: peer, tag: Tag(1))
  },

  RankCase("harness: rank 1 traps", ranks: [2], isMadeToFail: true) { context in
    context.step("about to trap")
    if context.rank == 1 { fatalError("the sky is falling") }
    try context.world.barrier()
  },
]
