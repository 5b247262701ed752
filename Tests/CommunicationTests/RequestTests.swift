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
    let isKept = try LoopbackFabric.run(ranks: 1, waitLimit: .milliseconds(20)) { world in
      weak var message: Memory?
      weak var room: Memory?
      func waitInVain() throws {
        let buffers = [Buffer<Int32>([7]), Buffer<Int32>(count: 1)]
        (message, room) = (buffers[0].memory, buffers[1].memory)
        let requests = [
          try world.startSend(buffers[0], to: world.rank, tag: Tag(0)),
          try world.startReceive(into: buffers[1], from: world.rank, tag: Tag(1)),
        ]
        try world.wait(for: requests, what: "a message of another tag")
      }
      do { try waitInVain() } catch { return message != nil && room != nil }
      return false
    }
    #expect(isKept == [true])
  }

  @Test("free their memory when they are done")
  func freesMemory() throws {
    let isFreed = try LoopbackFabric.run(ranks: 1) { world in
      weak var memory: Memory?
      func exchange() throws {
        let message = Buffer<Int32>([7])
        memory = message.memory
        let requests = [
          try world.startSend(message, to: world.rank, tag: Tag(0)),
          try world.startReceive(into: Buffer<Int32>(count: 1), from: world.rank, tag: Tag(0)),
        ]
        try world.wait(for: requests, what: "a message to itself")
      }
      try exchange()
      return memory == nil
    }
    #expect(isFreed == [true])
  }

  @Test("a caller cannot take a tag of the collectives")
  func tagRange() async {
    #expect(Tag(Tag.userCount - 1).value == 1_048_575)
    await #expect(processExitsWith: .failure) { _ = Tag(Tag.userCount) }
    await #expect(processExitsWith: .failure) { _ = Tag(-1) }
  }
}
