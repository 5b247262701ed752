import Communication
import Tensors
package import TestSupport
import Topology

/// How a job ends, which shows in the exit code of `mpirun`.
package let jobEndCases: [RankCase] = [
  RankCase("communication: a job that is well ends with its exit code", exitCode: 65) { context in
    try context.world.barrier()
  },

  RankCase("communication: a broken job ends with its exit code and does not hang", ranks: [1, 2, 3], exitCode: 75) {
    context in
    let world = context.world
    world.waitLimit = .milliseconds(100)
    let error = context.expectError(CommunicationError.self) {
      let request = try world.startReceive(into: Buffer<Int32>(count: 1), from: Rank(0), tag: Tag(1))
      try world.wait(for: [request], what: "a message nobody sends")
    }
    context.expectEqual(error?.refusal.kind.rawValue, 75)
  },
]
