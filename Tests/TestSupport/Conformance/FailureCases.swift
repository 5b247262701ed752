import Communication
import Tensors
import Topology

/// How every transport fails: with an error that says who and what, and in time. Each leaves the job broken.
package let communicationFailureCases: [RankCase] = [
  RankCase("communication: a message longer than its room is an error", ranks: [2, 3]) { context in
    let world = context.world
    let long = Buffer<Int32>(count: 1_000)
    if context.rank == 1 {
      let request = try world.startSend(long, to: Rank(0), tag: Tag(2))
      try world.wait(for: [request], what: "a long message")
    } else if context.rank == 0 {
      let room = Buffer<Int32>(count: 10)
      let guardPage = Buffer<Int32>(count: 1_000)
      let error = context.expectError(CommunicationError.self) {
        let request = try world.startReceive(into: room, from: Rank(1), tag: Tag(2))
        try world.wait(for: [request], what: "a long message")
      }
      context.expectEqual(error?.code, .unexpectedMessage)
      context.expect(error?.description.contains("rank 1") == true, "\(error?.description ?? "")")
      context.expect(guardPage.elements.allSatisfy { $0 == 0 })
      context.expectEqual(error?.refusal.kind, .protocolViolation)
    }
  },

  RankCase("communication: a message shorter than required is an error", ranks: [2]) { context in
    let world = context.world
    if context.rank == 1 {
      try world.send(Buffer<Int32>(count: 3), to: Rank(0), tag: Tag(2))
    } else if context.rank == 0 {
      let error = context.expectError(CommunicationError.self) {
        try world.receive(into: Buffer<Int32>(count: 4), from: Rank(1), tag: Tag(2))
      }
      context.expectEqual(error?.code, .unexpectedMessage)
      context.expect(error?.message.contains("12 bytes from rank 1 where 16") == true, "\(error?.message ?? "")")
    }
  },

  RankCase("communication: a wait for a silent peer ends at the limit and names it", ranks: [2, 3]) { context in
    let world = context.world
    try world.barrier()
    guard context.rank == 0 else { return }
    world.waitLimit = .milliseconds(300)
    world.activity = Activity(.dispatch, step: 3, layer: 1)
    let began = monotonicSeconds()
    let error = context.expectError(CommunicationError.self) {
      let request = try world.startReceive(into: Buffer<Int32>(count: 1), from: Rank(1), tag: Tag(5))
      try world.wait(for: [request], what: "rows of tokens")
    }
    let waited = monotonicSeconds() - began
    context.expect(waited >= 0.3 && waited < 10, "waited \(waited) s")
    context.expectEqual(error?.code, .noProgress)
    let text = error?.description ?? ""
    for part in ["rank 0", "dispatch, step 3, layer 1", "rows of tokens", "missing: rank 1"] {
      context.expect(text.contains(part), "\(text) lacks '\(part)'")
    }
    context.expectEqual(error?.refusal.kind, .peerLost)
    context.expect(world.job.hasFailed)
  },
]

/// All that a transport must pass.
package let communicatorConformance = messageCases + collectiveCases + sumCases + communicationFailureCases
