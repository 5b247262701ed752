import Communication
import Tensors
import Testing
import Topology

@Suite("Requests")
struct RequestTests {
  @Test("dropping one in flight stops the program")
  func droppedInFlight() async {
    await #expect(processExitsWith: .failure) {
      try LoopbackFabric.run(ranks: 1) { world in
        _ = try world.startReceive(into: Buffer<Int32>(count: 1), from: Rank(0), tag: Tag(0))
      }
    }
  }

  @Test("keep their memory while in flight, and give it up rather than free it when the job has failed")
  func ownsMemory() throws {
    try LoopbackFabric.run(ranks: 1, waitLimit: .milliseconds(20)) { world in
      weak var kept: Memory?
      weak var abandoned: Memory?
      try #require(throws: CommunicationError.self) {
        let message = Buffer<Int32>([7])
        kept = message.memory
        let room = Buffer<Int32>(count: 1)
        abandoned = room.memory
        let requests = [
          try world.startSend(message, to: world.rank, tag: Tag(0)),
          try world.startReceive(into: room, from: world.rank, tag: Tag(1)),
        ]
        try world.wait(for: requests, what: "a message of another tag")
      }
      #expect(kept != nil && abandoned != nil)
    }
  }

  @Test("free their memory when they are done")
  func freesMemory() throws {
    try LoopbackFabric.run(ranks: 1) { world in
      weak var memory: Memory?
      do {
        let message = Buffer<Int32>([7])
        memory = message.memory
        let requests = [
          try world.startSend(message, to: world.rank, tag: Tag(0)),
          try world.startReceive(into: Buffer<Int32>(count: 1), from: world.rank, tag: Tag(0)),
        ]
        try world.wait(for: requests, what: "a message to itself")
      }
      #expect(memory == nil)
    }
  }

  @Test("a caller cannot take a tag of the collectives")
  func tagRange() async {
    #expect(Tag(Tag.userCount - 1).value == 1_048_575)
    await #expect(processExitsWith: .failure) { _ = Tag(Tag.userCount) }
    await #expect(processExitsWith: .failure) { _ = Tag(-1) }
  }
}
